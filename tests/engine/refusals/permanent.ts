import { openAi, type Refusal } from './refusal.ts'

/** Refusals that a retry cannot change, by kind. */
export const PERMANENT: Readonly<Record<string, readonly Refusal[]>> = {
  access: [
    openAi('Incorrect API key provided: sk-very-secret.', 'invalid_api_key', null, 401),
    { status: 401, body: '' },
    {
      status: 403,
      body: { error: { message: 'Country not supported', code: 'unsupported_country' } },
    },
    {
      status: 400,
      body: [{ error: { code: 400, message: 'API key not valid. Please pass a valid API key.' } }],
    },
  ],
  credit: [
    openAi('You exceeded your current quota.', 'insufficient_quota', null, 429),
    {
      status: 402,
      body: { error: { message: 'Insufficient Balance', code: 'invalid_request_error' } },
    },
    {
      status: 400,
      body: {
        type: 'error',
        error: { message: 'Your credit balance is too low to access the API.' },
      },
    },
  ],
  content: [
    {
      status: 400,
      body: {
        error: {
          message:
            'The response was filtered due to the prompt triggering the content management policy.',
          code: 'content_filter',
          innererror: { code: 'ResponsibleAIPolicyViolation' },
        },
      },
    },
    openAi('Your request was rejected by our safety system.', 'content_policy_violation'),
    {
      status: 400,
      body: { error: { message: 'Content Exists Risk', type: 'invalid_request_error' } },
    },
    {
      status: 403,
      body: {
        error: { code: 403, message: 'm requires moderation. Your input was flagged for "x".' },
      },
    },
  ],
  'unknown-model': [
    openAi(
      'The model `m` does not exist or you do not have access to it.',
      'model_not_found',
      null,
      404,
    ),
    { status: 400, body: { error: { message: 'Model Not Exist', type: 'invalid_request_error' } } },
    { status: 400, body: { object: 'error', message: 'Invalid model: m', code: '1500' } },
    { status: 400, body: { error: { message: 'm is not a valid model ID', code: 400 } } },
    { status: 404, body: { error: { code: 'DeploymentNotFound', message: 'It does not exist.' } } },
    { status: 404, body: '404 page not found' },
  ],
  request: [
    openAi(
      'Your organization must be verified to stream this model.',
      'unsupported_value',
      'stream',
    ),
    { status: 400, body: '<html><h1>Bad Request</h1></html>' },
    { status: 405, body: {} },
  ],
}
