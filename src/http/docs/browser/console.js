/* Renders the console with Swagger UI and logs in for it. */
const form = document.getElementById('login')
const state = document.getElementById('login-state')
const logout = document.getElementById('logout')
const SCHEME = 'bearer'
/** The longest delay of setTimeout: with a longer one, a browser fires the timer at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

let accessToken = ''
let expiry

const ui = window.SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#console',
  presets: [window.SwaggerUIBundle.presets.apis],
  plugins: [brief, nothingUnasked, oneLogout],
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  // A token in the browser's storage would outlive the tab; a token in memory does not.
  persistAuthorization: false,
  // By default, Swagger UI sends the document to a validator on the internet.
  validatorUrl: null,
  onComplete() {
    form.querySelector('button').disabled = false
  },
})

/**
 * The reference explains the API. Here, its prose and an example of each failure (all failures have
 * one format) would push the calls off the screen.
 */
function brief({ React, getComponent }) {
  const element = React.createElement
  const failure = (code, response) => {
    const Markdown = getComponent('Markdown', true)
    const description = element(Markdown, { source: response.get('description') })
    return element(
      'tr',
      { className: 'response' },
      element('td', { className: 'response-col_status' }, code),
      element('td', { className: 'response-col_description' }, description),
    )
  }
  const response = (Original) => (props) =>
    props.code >= 400 ? failure(props.code, props.response) : element(Original, props)
  return { wrapComponents: { info: () => () => null, response } }
}

/**
 * Swagger UI fills in examples and sends them. With the example of an `Idempotency-Key`, a cursor or
 * an `If-Match`, a first call would be replayed or refused.
 */
function nothingUnasked() {
  const updateJsonSpec = (original) => (spec) => original(withoutOptionalExamples(spec))
  return { statePlugins: { spec: { wrapActions: { updateJsonSpec } } } }
}

function withoutOptionalExamples(spec) {
  const bare = (parameter) =>
    parameter.$ref || parameter.required ? parameter : { ...parameter, example: undefined }
  const bareAll = (parameters) => parameters && parameters.map(bare)
  const mapValues = (things, change) =>
    Object.fromEntries(Object.entries(things).map(([key, value]) => [key, change(value)]))
  const bareOperation = (operation) =>
    operation?.parameters ? { ...operation, parameters: bareAll(operation.parameters) } : operation
  const barePath = (item) => ({
    ...mapValues(item, bareOperation),
    parameters: bareAll(item.parameters),
  })
  const parameters = mapValues(spec.components.parameters, bare)
  return {
    ...spec,
    paths: mapValues(spec.paths, barePath),
    components: { ...spec.components, parameters },
  }
}

/** "Logout" in Swagger UI only discards the token. If this page made the session, end it too. */
function oneLogout() {
  const logoutWithPersistOption = (original) => (schemes) => {
    if (accessToken) logout.click()
    return original(schemes)
  }
  return { statePlugins: { auth: { wrapActions: { logoutWithPersistOption } } } }
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { email, password } = Object.fromEntries(new FormData(form))
  say('Logging in…')
  try {
    const answer = await call('/auth/login', { email, password })
    const body = await answer.json()
    if (answer.ok) authorize(email, body)
    else say([body.title, body.detail].filter(Boolean).join(' '))
  } catch {
    say('The server is unreachable.')
  }
})

logout.addEventListener('click', async () => {
  const token = accessToken
  forget('Logged out.')
  await call('/auth/logout', { scope: 'current' }, token).catch(() => {
    say('The server is unreachable. The session stays open until its token expires.')
  })
})

function authorize(email, tokens) {
  accessToken = tokens.accessToken
  ui.preauthorizeApiKey(SCHEME, accessToken)
  form.reset()
  form.hidden = true
  logout.hidden = false
  const lifetimeMs = Math.min(tokens.expiresIn * 1000, LONGEST_TIMER_MS)
  const until = new Date(Date.now() + lifetimeMs)
  say(`Logged in as ${email} until ${until.toLocaleTimeString()}. Requests below send the token.`)
  logout.focus()
  expiry = setTimeout(forget, lifetimeMs, 'The token has expired. Log in again.')
}

function forget(message) {
  clearTimeout(expiry)
  accessToken = ''
  ui.authActions.logout([SCHEME])
  form.hidden = false
  logout.hidden = true
  say(message)
}

function call(path, body, token) {
  const headers = { 'Content-Type': 'application/json' }
  if (token) headers.Authorization = `Bearer ${token}`
  return fetch(`/api/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

function say(text) {
  state.textContent = text
}
