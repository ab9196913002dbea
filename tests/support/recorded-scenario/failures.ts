import { EngineFailure, type Engine } from '../../../src/engine/engine.ts'
import { createDeferred } from '../../../src/lib/deferred.ts'
import { createManualEngine } from '../upstream/manual-engine.ts'
import { withholdBody } from './slow-body.ts'
import {
  bodyOf,
  type Credentials,
  createServiceAccount,
  PASSWORD,
  type Scenario,
} from './recorder.ts'

const EMAIL = 'kim@example.com'
const MINUTE_MS = 60_000
const MESSAGE = { message: 'Hello!' }
const CREATE = { title: 'Plans for the holiday' }

/** Provokes every documented failure once. */
export async function provokeFailures(scenario: Scenario, admin: Credentials): Promise<void> {
  const { call } = scenario
  const registration = { email: EMAIL, password: PASSWORD, displayName: 'Kim' }
  await call({}, 'register', { body: registration })
  await call({}, 'register', { body: registration })
  const easy = { email: 'lee@example.com', password: '12345678', displayName: 'Lee' }
  await call({}, 'register', { body: easy })
  await call({}, 'logIn', { body: { email: EMAIL, password: 'not my password' } })
  const kim = await scenario.logIn(EMAIL)
  await sendBadRequests(scenario, kim)
  const reader = await createServiceAccount(scenario, admin, 'Reader', ['conversations:read'])
  await call(reader, 'sendMessage', { body: MESSAGE })
  await call(reader, 'resumeStream', { path: { generationId: randomId() } })
  await sendConflictingCalls(scenario, kim)
  await scenario.server.clock.advance(MINUTE_MS)
  await failOnTheServer(scenario, kim)
  await scenario.server.clock.advance(MINUTE_MS)
  for (let calls = 0; calls <= 10; calls += 1) await call(kim, 'sendMessage', { body: MESSAGE })
  await scenario.server.clock.advance(15 * MINUTE_MS)
  await call(kim, 'sendMessage', { body: MESSAGE })
}

/** An id that no resource has, the same in every run. */
const randomId = () => '019ab000-0000-7000-8000-000000000000'

async function sendBadRequests({ server, exchanges, call }: Scenario, kim: Credentials) {
  await call(kim, 'sendMessage', { body: { message: '' } })
  await call({}, 'getHealth', { query: { x: 1 } })
  await call({}, 'getHealth', { headers: { Accept: 'image/png' } })
  await call(kim, 'sendMessage', { body: MESSAGE, headers: { Accept: 'image/png' } })
  await call(kim, 'getConversation', { path: { conversationId: randomId() } })
  await call(kim, 'resumeStream', { path: { generationId: randomId() } })
  await call(kim, 'sendMessage', { body: { message: 'x'.repeat(300_000) } })
  await call(kim, 'sendMessage', { body: MESSAGE, headers: { 'Content-Type': 'text/plain' } })
  const ifMatch = { 'If-Match': '"999"' }
  const body = { displayName: 'Kim', preferences: {} }
  await call(kim, 'replaceProfile', { headers: ifMatch, body })
  exchanges.push(await withholdBody(server, kim))
}

/** Concurrent calls on one conversation, and calls with one idempotency key. */
async function sendConflictingCalls(scenario: Scenario, kim: Credentials): Promise<void> {
  const { call } = scenario
  const named = { headers: { 'Idempotency-Key': 'chat-1' } }
  await call(kim, 'sendMessage', { ...named, body: MESSAGE })
  await call(kim, 'sendMessage', { ...named, body: { message: 'Something else' } })
  await repeatBeforeTheEnd(scenario, kim)
  const engine = createManualEngine()
  scenario.engine(engine)
  const { id } = bodyOf<{ id: string }>(await call(kim, 'createConversation', { body: CREATE }))
  const body = { ...MESSAGE, conversationId: id }
  const streaming = call(kim, 'streamMessage', { body })
  const turn = await engine.next()
  turn.say('Hello')
  const { prisma } = scenario.testStore.database
  const { id: generationId } = await prisma.generation.findFirstOrThrow({
    where: { status: 'running' },
  })
  await call(kim, 'sendMessage', { body })
  await call(kim, 'resumeStream', { path: { generationId } })
  turn.end()
  await streaming
  scenario.engine(scenario.builtin)
  await scenario.server.clock.advance(11 * MINUTE_MS)
  await call(kim, 'resumeStream', { path: { generationId } })
}

async function repeatBeforeTheEnd({ call, store }: Scenario, kim: Credentials): Promise<void> {
  const request = { headers: { 'Idempotency-Key': 'create-1' }, body: CREATE }
  const reached = createDeferred<undefined>()
  const released = createDeferred<undefined>()
  const goOn = store.instead('conversations.create', async (real) => {
    reached.resolve(undefined)
    await released.promise
    return real()
  })
  const first = call(kim, 'createConversation', request)
  await reached.promise
  await call(kim, 'createConversation', request)
  released.resolve(undefined)
  goOn()
  await first
}

/** Failures of the server and its upstream. */
async function failOnTheServer(scenario: Scenario, kim: Credentials): Promise<void> {
  const { call, database, bugs } = scenario
  for (const code of ['upstream-failed', 'upstream-timeout'] as const) {
    scenario.engine(failing(scenario.builtin, code))
    await call(kim, 'sendMessage', { body: MESSAGE })
  }
  scenario.engine(scenario.builtin)
  bugs.areThrown = true
  await call({}, 'listModes')
  bugs.areThrown = false
  database.isUnavailable = true
  await call(kim, 'sendMessage', { body: MESSAGE })
  await call({}, 'getReadiness')
  database.isUnavailable = false
}

function failing(engine: Engine, code: 'upstream-failed' | 'upstream-timeout'): Engine {
  return {
    ...engine,
    check: () => engine.check(),
    // eslint-disable-next-line require-yield -- it fails before its first text
    async *answer() {
      await Promise.resolve()
      throw new EngineFailure(code, 'provoked by the scenario')
    },
  }
}
