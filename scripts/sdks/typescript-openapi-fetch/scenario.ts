/** What a partner does with Parley, by openapi-fetch and the types of openapi-typescript. */
import { setTimeout as pause } from 'node:timers/promises'
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

type Schemas = components['schemas']
type ChatStreamEvent = Schemas['ChatStreamEvent']

const HANG_UP_AFTER = 5
const CONVERSATIONS = 5
const PAGE = 2

let tokens: Schemas['TokenPair'] | undefined

const api = createClient<paths>({ baseUrl: setting('PARLEY_URL') })
api.use({
  onRequest({ request }) {
    if (tokens) request.headers.set('Authorization', `Bearer ${tokens.accessToken}`)
  },
})

await step('log in', async () => {
  const email = setting('PARLEY_EMAIL')
  const password = setting('PARLEY_PASSWORD')
  answered(
    await api.POST('/auth/register', { body: { email, password, displayName: 'A partner' } }),
  )
  tokens = answered(await api.POST('/auth/login', { body: { email, password } }))
  expect(tokens.tokenType === 'Bearer', 'a pair of tokens')
  return `as ${email}`
})

await step('refresh', async () => {
  const before = needed(tokens, 'tokens')
  const body = { refreshToken: before.refreshToken }
  const after = answered(await api.POST('/auth/refresh', { body }))
  expect(after.refreshToken !== before.refreshToken, 'another refresh token')
  expect(after.sessionId === before.sessionId, 'the same session')
  tokens = after
  return 'the next pair of the same session'
})

const conversation = await step('create', async () => {
  const body = { title: 'Streams', mode: 'balanced' }
  const made = answered(await api.POST('/conversations', { body }))
  expect(made.title === 'Streams', 'the title that was sent')
  return made
})
const conversationId = conversation.id

await step('chat', async () => {
  const body = { conversationId, message: 'My name is Ada.' }
  const { message } = answered(await api.POST('/chat', { body }))
  expect(message.status === 'complete', 'a complete answer')
  return message.content
})

/** What was seen of one answer, over as many streams as it took. */
const answer: { text: string; events: number; lastEventId: string; kept?: Schemas['Message'] } = {
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
  const stream = await api.POST('/chat/stream', {
    params: { header: { 'Idempotency-Key': crypto.randomUUID() } },
    body: { conversationId, message: 'What can you do?' },
    signal: connection.signal,
    parseAs: 'stream',
  })
  for await (const { id, event } of readEvents(answered(stream))) {
    answer.lastEventId = id
    take(event)
    if (answer.events === HANG_UP_AFTER) break
  }
  connection.abort()
  expect(answer.events === HANG_UP_AFTER && !answer.kept, 'hangs up in the middle')
  return `${answer.events} events, then hung up`
})

await step('resume', async () => {
  const generationId = needed(answer.lastEventId.split(':')[0], 'a generation')
  const stream = await api.GET('/chat/generations/{generationId}/stream', {
    params: { path: { generationId }, header: { 'Last-Event-ID': answer.lastEventId } },
    parseAs: 'stream',
  })
  for await (const { id, event } of readEvents(answered(stream))) {
    answer.lastEventId = id
    take(event)
  }
  const kept = needed(answer.kept, 'message.end')
  const { messages } = answered(
    await api.GET('/conversations/{conversationId}', { params: { path: { conversationId } } }),
  )
  expect(answer.text === kept.content, 'the pieces make the message')
  expect(messages.at(-1)?.content === answer.text, 'the message is kept')
  return `${answer.events} events in all, ${answer.text.length} characters as they are kept`
})

await step('list', async () => {
  const made = new Set([conversationId])
  while (made.size < CONVERSATIONS) {
    made.add(answered(await api.POST('/conversations', { body: {} })).id)
  }
  const seen: string[] = []
  let pages = 0
  let cursor: string | undefined
  do {
    const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }
    const page = answered(await api.GET('/conversations', { params: { query } }))
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
  const path = { conversationId: crypto.randomUUID() }
  const { error, response } = await api.GET('/conversations/{conversationId}', { params: { path } })
  const code: Schemas['ProblemCode'] = 'not-found'
  expect(error?.code === code && error.status === 404, `the code ${code}`)
  expect(error?.requestId === response.headers.get('X-Request-Id'), 'the id of the call')
  return `${error?.status} ${error?.code}`
})

await step('429', async () => {
  for (let sent = 1; ; sent += 1) {
    const { error, response } = await api.POST('/chat', { body: { message: 'Hi' } })
    expect(sent < 50, 'a limit')
    if (!error) continue
    expect(error.code === 'quota-exceeded', `quota-exceeded and not ${error.code}`)
    expect(error.violatedPolicies?.includes('chat') ?? false, 'the policy that is spent')
    const seconds = Number(response.headers.get('Retry-After'))
    expect(Number.isInteger(seconds) && seconds >= 1, 'whole seconds to wait')
    await pause(seconds * 1000)
    const { message } = answered(await api.POST('/chat', { body: { message: 'Hi' } }))
    expect(message.status === 'complete', 'an answer after the wait')
    return `refused at call ${sent}, answered after ${seconds} s`
  }
})

/** The events of a stream with their ids. Comments, which keep the connection open, have no data. */
async function* readEvents(body: ReadableStream<Uint8Array> | null) {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    const frames = text.split('\n\n')
    text = frames.pop() ?? ''
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1]
      const id = /^id: (.*)$/m.exec(frame)?.[1] ?? ''
      if (data === undefined) continue
      const event: unknown = JSON.parse(data)
      if (!isChatStreamEvent(event)) throw new Error(`No event of the contract: ${data}`)
      yield { id, event }
    }
  }
}

function isChatStreamEvent(value: unknown): value is ChatStreamEvent {
  const types: Record<ChatStreamEvent['type'], true> = {
    'message.start': true,
    'message.delta': true,
    'message.end': true,
    'message.cancelled': true,
    'message.error': true,
  }
  const isTyped = typeof value === 'object' && value !== null && 'type' in value
  return isTyped && typeof value.type === 'string' && Object.hasOwn(types, value.type)
}

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

function answered<T>({
  data,
  error,
}: {
  data?: T | undefined
  error?: Schemas['Problem'] | undefined
}): T {
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
