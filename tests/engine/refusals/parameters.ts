import { openAi, pydantic, vllm, type Refusal } from './refusal.ts'

/** Refusals of one parameter that Parley sends, each in the form of a vendor. */
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
    // Lists the accepted parameters.
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
} as const satisfies Record<string, readonly Refusal[]>
