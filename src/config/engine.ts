import type { Environment } from './environment.ts'
import * as values from './values.ts'

/** The settings of the engine and its upstream. */
export function readEngine(from: Environment) {
  for (const name of ['CHAT_UPSTREAM_KEY', 'CHAT_UPSTREAM_MODEL'] as const) {
    if (from.has(name) && !from.has('CHAT_UPSTREAM_URL')) {
      from.refuse(
        `${name} has no effect without CHAT_UPSTREAM_URL: set that too, or leave ${name} out.`,
      )
    }
  }
  return {
    url: from.find('CHAT_UPSTREAM_URL', values.baseUrl),
    key: from.find('CHAT_UPSTREAM_KEY', values.headerToken),
    model: from.find('CHAT_UPSTREAM_MODEL', values.line),
    shape: readRequestShape(from),
    timeoutSeconds: from.read('CHAT_UPSTREAM_TIMEOUT_SECONDS', values.integer(1, 600)),
  }
}

/** The shape of the first request; an upstream that refuses part of it is asked without. */
function readRequestShape(from: Environment) {
  return {
    sampling: from.read('CHAT_UPSTREAM_SAMPLING', values.oneOf('mode', 'none')),
    lengthParameter: from.read(
      'CHAT_UPSTREAM_MAX_TOKENS_PARAMETER',
      values.oneOf('max_tokens', 'max_completion_tokens', 'none'),
    ),
    systemRole: from.read('CHAT_UPSTREAM_SYSTEM_ROLE', values.oneOf('system', 'developer', 'user')),
    streamUsage: from.read('CHAT_UPSTREAM_STREAM_USAGE', values.oneOf('on', 'off')),
  }
}
