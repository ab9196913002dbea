/** A refusal as a vendor sends it. */
export interface Refusal {
  readonly status: number
  readonly body: unknown
}

/** A refusal in the form of OpenAI. */
export const openAi = (
  message: string,
  code: string,
  param: string | null = null,
  status = 400,
) => ({
  status,
  body: { error: { message, type: 'invalid_request_error', param, code } },
})

/** A refusal in the form of vLLM. */
export const vllm = (message: string, status = 400) => ({
  status,
  body: { object: 'error', message, type: 'BadRequestError', param: null, code: status },
})

/** An entry of the list with which Pydantic rejects a field of the body. */
export const pydantic = (...path: (string | number)[]) => ({
  type: 'extra_forbidden',
  loc: ['body', ...path],
  msg: 'Extra inputs are not permitted',
  input: 'max_tokens top_p temperature system role: what the user said',
})
