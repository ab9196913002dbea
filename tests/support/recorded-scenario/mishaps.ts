import { EngineFailure, type Engine } from '../../../src/engine/engine.ts'
import { createDeferred } from '../../../src/lib/deferred.ts'
import { createHeldEngine } from '../upstream/held-engine.ts'
import { slowBody } from './slow-body.ts'
import { bodyOf, type Credentials, hire, PASSWORD, type Stage } from './recorder.ts'

const EMAIL = 'kim@example.com'
const MINUTE_MS = 60_000
const MESSAGE = { message: 'Hello!' }
const CREATE = { title: 'Plans for the holiday' }

/** Everything that can go wrong goes wrong once. */
export async function everythingGoesWrong(stage: Stage, admin: Credentials): Promise<void> {
  const { tell } = stage
  const registration = { email: EMAIL, password: PASSWORD, displayName: 'Kim' }
  await tell({}, 'register', { body: registration })
  await tell({}, 'register', { body: registration })
  const easy = { email: 'lee@example.com', password: '12345678', displayName: 'Lee' }
  await tell({}, 'register', { body: easy })
  await tell({}, 'logIn', { body: { email: EMAIL, password: 'not my password' } })
  const kim = await stage.enter(EMAIL)
  await requestsAreWrong(stage, kim)
  const robot = await hire(stage, admin, 'Reader', ['conversations:read'])
  await tell(robot, 'sendMessage', { body: MESSAGE })
  await tell(robot, 'resumeStream', { path: { generationId: randomId() } })
  await callsMeet(stage, kim)
  await stage.server.clock.advance(MINUTE_MS)
  await serverFails(stage, kim)
  await stage.server.clock.advance(MINUTE_MS)
  for (let calls = 0; calls <= 10; calls += 1) await tell(kim, 'sendMessage', { body: MESSAGE })
  await stage.server.clock.advance(15 * MINUTE_MS)
  await tell(kim, 'sendMessage', { body: MESSAGE })
}

/** An id that nothing has, the same in every telling. */
const randomId = () => '019ab000-0000-7000-8000-000000000000'

async function requestsAreWrong({ server, exchanges, tell }: Stage, kim: Credentials) {
  await tell(kim, 'sendMessage', { body: { message: '' } })
  await tell({}, 'getHealth', { query: { x: 1 } })
  await tell({}, 'getHealth', { headers: { Accept: 'image/png' } })
  await tell(kim, 'sendMessage', { body: MESSAGE, headers: { Accept: 'image/png' } })
  await tell(kim, 'getConversation', { path: { conversationId: randomId() } })
  await tell(kim, 'resumeStream', { path: { generationId: randomId() } })
  await tell(kim, 'sendMessage', { body: { message: 'x'.repeat(300_000) } })
  await tell(kim, 'sendMessage', { body: MESSAGE, headers: { 'Content-Type': 'text/plain' } })
  const ifMatch = { 'If-Match': '"999"' }
  const body = { displayName: 'Kim', preferences: {} }
  await tell(kim, 'replaceProfile', { headers: ifMatch, body })
  exchanges.push(await slowBody(server, kim))
}

/** Two calls that are in each other's way, or that carry one key. */
async function callsMeet(stage: Stage, kim: Credentials): Promise<void> {
  const { tell } = stage
  const named = { headers: { 'Idempotency-Key': 'chat-1' } }
  await tell(kim, 'sendMessage', { ...named, body: MESSAGE })
  await tell(kim, 'sendMessage', { ...named, body: { message: 'Something else' } })
  await secondTryIsEarly(stage, kim)
  const engine = createHeldEngine()
  stage.engine(engine)
  const { id } = bodyOf<{ id: string }>(await tell(kim, 'createConversation', { body: CREATE }))
  const body = { ...MESSAGE, conversationId: id }
  const streaming = tell(kim, 'streamMessage', { body })
  const turn = await engine.next()
  turn.say('Hello')
  const { prisma } = stage.testStore.database
  const { id: generationId } = await prisma.generation.findFirstOrThrow({
    where: { status: 'running' },
  })
  await tell(kim, 'sendMessage', { body })
  await tell(kim, 'resumeStream', { path: { generationId } })
  turn.end()
  await streaming
  stage.engine(stage.builtin)
  await stage.server.clock.advance(11 * MINUTE_MS)
  await tell(kim, 'resumeStream', { path: { generationId } })
}

async function secondTryIsEarly({ tell, store }: Stage, kim: Credentials): Promise<void> {
  const asked = { headers: { 'Idempotency-Key': 'create-1' }, body: CREATE }
  const reached = createDeferred<undefined>()
  const released = createDeferred<undefined>()
  const goOn = store.instead('conversations.create', async (real) => {
    reached.resolve(undefined)
    await released.promise
    return real()
  })
  const first = tell(kim, 'createConversation', asked)
  await reached.promise
  await tell(kim, 'createConversation', asked)
  released.resolve(undefined)
  goOn()
  await first
}

/** What is no fault of the caller. */
async function serverFails(stage: Stage, kim: Credentials): Promise<void> {
  const { tell, database, mistakes } = stage
  for (const code of ['upstream-failed', 'upstream-timeout'] as const) {
    stage.engine(failing(stage.builtin, code))
    await tell(kim, 'sendMessage', { body: MESSAGE })
  }
  stage.engine(stage.builtin)
  mistakes.areMade = true
  await tell({}, 'listModes')
  mistakes.areMade = false
  database.isAway = true
  await tell(kim, 'sendMessage', { body: MESSAGE })
  await tell({}, 'getReadiness')
  database.isAway = false
}

function failing(engine: Engine, code: 'upstream-failed' | 'upstream-timeout'): Engine {
  return {
    ...engine,
    check: () => engine.check(),
    // eslint-disable-next-line require-yield -- it fails before it says anything
    async *answer() {
      await Promise.resolve()
      throw new EngineFailure(code, 'for the story')
    },
  }
}
