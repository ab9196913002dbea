/** What a partner does with Parley, by the client that @hey-api/openapi-ts generates. */
import { setTimeout as pause } from 'node:timers/promises'
import { client } from './client/client.gen.js'
import {
  createConversation,
  getConversation,
  listConversations,
  logIn,
  refreshTokens,
  register,
  resumeStream,
  sendMessage,
  streamMessage,
} from './client/index.js'
import type { ChatStreamEvent, Message, Problem, ProblemCode, TokenPair } from './client/index.js'

const HANG_UP_AFTER = 5
const CONVERSATIONS = 5
const PAGE = 2

let tokens: TokenPair | undefined

client.setConfig({
  baseUrl: setting('PARLEY_URL'),
  // A second scheme, the API key, is asked for too: answer the one that is meant.
  auth: ({ scheme }) => (scheme === 'bearer' ? tokens?.accessToken : undefined),
})

await step('log in', async () => {
  const email = setting('PARLEY_EMAIL')
  const password = setting('PARLEY_PASSWORD')
  answered(await register({ body: { email, password, displayName: 'A partner' } }))
  tokens = answered(await logIn({ body: { email, password } }))
  expect(tokens.tokenType === 'Bearer', 'a pair of tokens')
  return `as ${email}`
})

await step('refresh', async () => {
  const before = needed(tokens, 'tokens')
  const body = { refreshToken: before.refreshToken }
  const after = answered(await refreshTokens({ body }))
  expect(after.refreshToken !== before.refreshToken, 'another refresh token')
  expect(after.sessionId === before.sessionId, 'the same session')
  tokens = after
  return 'the next pair of the same session'
})

const conversation = await step('create', async () => {
  const made = answered(await createConversation({ body: { title: 'Streams', mode: 'balanced' } }))
  expect(made.title === 'Streams', 'the title that was sent')
  return made
})
const conversationId = conversation.id

await step('chat', async () => {
  const body = { conversationId, message: 'My name is Ada.' }
  const { message } = answered(await sendMessage({ body }))
  expect(message.status === 'complete', 'a complete answer')
  return message.content
})

/** What was seen of one answer, over as many streams as it took. */
const answer: { text: string; events: number; lastEventId: string; kept?: Message } = {
  text: '',
  events: 0,
  lastEventId: '',
}

function take(event: ChatStreamEvent): void {
  answer.events += 1
  const [, sequence] = answer.lastEventId.split(':')
  expect(Number(sequence) === answer.events, `event ${answer.events} and not ${sequence}`)
  if (event.type === 'message.delta') answer.text += event.text
  if (event.type === 'message.end') answer.kept = event.message
  expect(event.type !== 'message.error' && event.type !== 'message.cancelled', 'no such end')
}

await step('stream', async () => {
  const connection = new AbortController()
  const { stream } = await streamMessage({
    body: { conversationId, message: 'What can you do?' },
    headers: { 'Idempotency-Key': crypto.randomUUID() },
    signal: connection.signal,
    // Left out, it sends the message again when the connection breaks.
    sseMaxRetryAttempts: 1,
    onSseEvent: ({ id }) => (answer.lastEventId = id ?? answer.lastEventId),
    onSseError: (error) => {
      throw error
    },
  })
  for await (const event of stream) {
    take(event)
    if (answer.events === HANG_UP_AFTER) break
  }
  // Leaving the loop does not hang up.
  connection.abort()
  expect(answer.events === HANG_UP_AFTER && !answer.kept, 'hangs up in the middle')
  return `${answer.events} events, then hung up`
})

await step('resume', async () => {
  const { stream } = await resumeStream({
    path: { generationId: needed(answer.lastEventId.split(':')[0], 'a generation') },
    headers: { 'Last-Event-ID': answer.lastEventId },
    sseMaxRetryAttempts: 1,
    onSseEvent: ({ id }) => (answer.lastEventId = id ?? answer.lastEventId),
    onSseError: (error) => {
      throw error
    },
  })
  // Nothing at all is the other success, 204: everything was seen.
  for await (const event of stream) if (event) take(event)
  const kept = needed(answer.kept, 'message.end')
  const { messages } = answered(await getConversation({ path: { conversationId } }))
  expect(answer.text === kept.content, 'the pieces make the message')
  expect(messages.at(-1)?.content === answer.text, 'the message is kept')
  return `${answer.events} events in all, ${answer.text.length} characters as they are kept`
})

await step('list', async () => {
  const made = new Set([conversationId])
  while (made.size < CONVERSATIONS) {
    made.add(answered(await createConversation({ body: {} })).id)
  }
  const seen: string[] = []
  let pages = 0
  let cursor: string | undefined
  do {
    const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }
    const page = answered(await listConversations({ query }))
    expect(page.data.length <= PAGE, 'no more than the limit')
    seen.push(...page.data.map(({ id }) => id))
    pages += 1
    cursor = page.nextCursor
  } while (cursor !== undefined)
  expect(seen.length === made.size && seen.every((id) => made.has(id)), 'each exactly once')
  expect(new Set(seen).size === seen.length, 'none twice')
  return `${seen.length} conversations on ${pages} pages`
})

await step('problem', async () => {
  const { error, response } = await getConversation({
    path: { conversationId: crypto.randomUUID() },
  })
  const code: ProblemCode = 'not-found'
  expect(error?.code === code && error.status === 404, `the code ${code}`)
  expect(error?.requestId === response?.headers.get('X-Request-Id'), 'the id of the call')
  return `${error?.status} ${error?.code}`
})

await step('429', async () => {
  for (let sent = 1; ; sent += 1) {
    const { error, response } = await sendMessage({ body: { message: 'Hi' } })
    expect(sent < 50, 'a limit')
    if (!error) continue
    expect(error.code === 'quota-exceeded', `quota-exceeded and not ${error.code}`)
    expect(error.violatedPolicies?.includes('chat') ?? false, 'the policy that is spent')
    const seconds = Number(response?.headers.get('Retry-After'))
    expect(Number.isInteger(seconds) && seconds >= 1, 'whole seconds to wait')
    await pause(seconds * 1000)
    const { message } = answered(await sendMessage({ body: { message: 'Hi' } }))
    expect(message.status === 'complete', 'an answer after the wait')
    return `refused at call ${sent}, answered after ${seconds} s`
  }
})

async function step<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    const outcome = await run()
    console.log(`ok  ${name}: ${typeof outcome === 'string' ? outcome : 'done'}`)
    return outcome
  } catch (error) {
    console.error(`FAILED  ${name}:`, error)
    process.exit(1)
  }
}

function answered<T>({ data, error }: { data?: T | undefined; error?: Problem | undefined }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail ?? error?.title}`)
  return data
}

function expect(holds: boolean | undefined, promise: string): asserts holds {
  if (holds !== true) throw new Error(`Promised, but not so: ${promise}`)
}

function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`Promised, but not there: ${what}`)
  return value
}

function setting(name: string): string {
  return needed(process.env[name], `the variable ${name}`)
}
