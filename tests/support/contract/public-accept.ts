/** What public clients send as `Accept` by default, and values that some callers write by hand. */
export const PUBLIC_ACCEPT: Readonly<Record<string, string>> = {
  'curl, python-requests, httpx, fetch of Node, Go': '*/*',
  axios: 'application/json, text/plain, */*',
  'OpenAPI Generator, Python': 'application/json',
  'OpenAPI Generator, Python, where the answer is no JSON': 'application/problem+json',
  'every media type of an operation, joined': 'application/json, application/problem+json',
  'Java HttpURLConnection': 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2',
  'Spring RestTemplate': 'application/json, application/*+json',
  'with a charset': 'application/json; charset=utf-8',
  jQuery: 'application/json, text/javascript, */*; q=0.01',
  'a browser': 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8',
  'with a profile': 'text/html, application/json; profile="https://a.example/x,y;q=0"; q=0.5',
  'in capitals': 'Application/JSON',
  'whose weight is no number': 'application/json;q=high',
}
