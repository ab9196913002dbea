/** A refusal as a vendor sends it. */
export interface Refusing {
  readonly status: number
  readonly body: unknown
}

const openAi = (message: string, code: string, param: string | null = null, status = 400) => ({
  status,
  body: { error: { message, type: 'invalid_request_error', param, code } },
})
const vllm = (message: string, status = 400) => ({
  status,
  body: { object: 'error', message, type: 'BadRequestError', param: null, code: status },
})
const pydantic = (...path: (string | number)[]) => ({
  type: 'extra_forbidden',
  loc: ['body', ...path],
  msg: 'Extra inputs are not permitted',
  input: 'max_tokens top_p temperature system role: what the user said',
})

/** Refusals of one parameter of ours, each in the form of somebody who sends it. */
export const REFUSED_PARAMETERS = {
  temperature: [
    openAi(
      "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
      'unsupported_value',
      'temperature',
    ),
    { status: 400, body: [{ error: { code: 400, message: 'temperature is not supported.' } }] },
    {
      status: 400,
      body: {
        type: 'error',
        error: {
          type: 'invalid_request_error',
          message: '`temperature` is deprecated for this model.',
        },
      },
    },
    // With a list of what would be taken.
    vllm("Unrecognized field 'temperature'. Known fields: max_tokens, stream_options, top_p"),
  ],
  max_tokens: [
    openAi(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      'unsupported_parameter',
      'max_tokens',
    ),
    {
      status: 400,
      body: {
        error: {
          message:
            "litellm.UnsupportedParamsError: a model does not support parameters: ['max_tokens'], for model=o1. To drop these, set `litellm.drop_params=True`.",
          type: 'None',
          param: 'None',
          code: '400',
        },
      },
    },
  ],
  stream_options: [
    openAi("Unknown parameter: 'stream_options'.", 'unknown_parameter', 'stream_options'),
    { status: 422, body: { detail: [pydantic('stream_options')] } },
    {
      status: 422,
      body: {
        object: 'error',
        message: { detail: [pydantic('stream_options', 'include_usage')] },
        type: 'invalid_request_error',
      },
    },
    {
      status: 400,
      body: {
        error: {
          message:
            'litellm.BadRequestError: OpenAIException - {"error": {"message": "Unknown parameter: \'stream_options.include_usage\'."}}',
          type: null,
          param: 'stream_options.include_usage',
          code: '400',
        },
      },
    },
    { status: 400, body: { message: 'Validation error at #/stream_options: extra inputs' } },
  ],
  system: [
    openAi(
      "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
      'unsupported_value',
      'messages[0].role',
    ),
    vllm('System role not supported'),
    vllm('Conversation roles must alternate user/assistant/user/assistant/...'),
    {
      status: 400,
      body: [{ error: { message: 'Developer instruction is not enabled', code: 400 } }],
    },
    { status: 422, body: { detail: [pydantic('messages', 0, 'role')] } },
    {
      status: 500,
      body: { error: { code: 500, message: 'System role not supported', type: 'server_error' } },
    },
  ],
} as const satisfies Record<string, readonly Refusing[]>

/** Refusals of what is longer than the model reads. */
export const TOO_LONG: readonly Refusing[] = [
  openAi(
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9312 tokens.",
    'context_length_exceeded',
    'messages',
  ),
  vllm(
    "This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the messages, 10000 in the completion). Please reduce the length of the messages or completion.",
  ),
  vllm(
    "'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is 9000 tokens and your request has 8000 input tokens (2048 > 9000 - 8000).",
  ),
  vllm("The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
  {
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'the request exceeds the available context size (8192 tokens), try increasing it',
        type: 'exceed_context_size_error',
        n_prompt_tokens: 14429,
        n_ctx: 8192,
      },
    },
  },
  {
    status: 400,
    body: {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'prompt is too long: 210251 tokens > 200000 maximum',
      },
    },
  },
  {
    status: 400,
    body: {
      error: {
        message:
          'input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length or `max_tokens` and try again',
      },
    },
  },
  {
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message:
            'The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).',
          status: 'INVALID_ARGUMENT',
        },
      },
    ],
  },
  {
    status: 400,
    body: {
      object: 'error',
      message:
        'Prompt contains 40960 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      code: '3051',
    },
  },
  {
    status: 400,
    body: {
      error:
        'The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 8192).',
    },
  },
  {
    status: 422,
    body: {
      error: '`inputs` tokens + `max_new_tokens` must be <= 8192. Given: 9000 `inputs` tokens',
      error_type: 'validation',
    },
  },
  {
    status: 413,
    body: {
      error: {
        message:
          'Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 10000, please reduce your message size',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    },
  },
  {
    status: 429,
    body: {
      error: {
        message: 'Request too large for m on tokens per min (TPM): Limit 30000, Requested 41000.',
        code: 'rate_limit_exceeded',
      },
    },
  },
  { status: 413, body: 'Payload Too Large' },
]

/** Refusals for good, by what they are about. */
export const FOR_GOOD: Readonly<Record<string, readonly Refusing[]>> = {
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

/** What may pass by itself is no refusal. */
export const PASSING: readonly Refusing[] = [
  openAi('Rate limit reached for requests', 'rate_limit_exceeded', null, 429),
  {
    status: 429,
    body: [
      {
        error: {
          code: 429,
          message: 'You exceeded your current quota.',
          status: 'RESOURCE_EXHAUSTED',
        },
      },
    ],
  },
  { status: 500, body: { error: { message: 'the context of temperature is internal' } } },
  { status: 503, body: { error: { message: 'model not found in cache, loading' } } },
  { status: 409, body: {} },
]
