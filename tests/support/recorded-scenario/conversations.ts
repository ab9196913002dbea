import { createManualEngine } from '../upstream/manual-engine.ts'
import { followLinks } from './links.ts'
import { bodyOf, type Credentials, type Scenario } from './recorder.ts'

type Resource = { id: string }
type Reply = { generationId: string; conversationId: string; message: Resource }
type Page = { nextCursor: string }

/** Holds conversations as Ada, and rates an answer. */
export async function chatAsAda(scenario: Scenario, ada: Credentials): Promise<void> {
  const { call, exchanges } = scenario
  const first = exchanges.length
  const named = { 'Idempotency-Key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' }
  const plan = { headers: named, body: { title: 'Plans for the holiday', mode: 'balanced' } }
  await call(ada, 'createConversation', plan)
  await call(ada, 'createConversation', plan)
  const message = { message: 'Hello! My name is Ada.', mode: 'balanced' }
  const reply = bodyOf<Reply>(await call(ada, 'sendMessage', { body: message }))
  const path = { conversationId: reply.conversationId }
  await streamAnswer(scenario, ada)
  await cancelAnswer(scenario, ada, path)
  await readConversations(scenario, ada, path)
  const body = {
    messageId: reply.message.id,
    rating: 'up',
    tags: ['helpful'],
    comment: 'It remembered my name.',
  }
  await call(ada, 'giveFeedback', { body })
  await call(ada, 'listFeedback')
  await followLinks(scenario, ada, first)
}

async function streamAnswer({ call }: Scenario, ada: Credentials) {
  const streamed = await call(ada, 'streamMessage', {
    body: { message: 'What is 6 times 7?', onDisconnect: 'continue' },
  })
  const [{ generationId }] = streamed.body as [{ generationId: string }]
  const generation = { path: { generationId } }
  const from = (seq: number) => ({ headers: { 'Last-Event-ID': `${generationId}:${String(seq)}` } })
  await call(ada, 'resumeStream', { ...generation, ...from(1) })
  const last = (streamed.body as unknown[]).length
  await call(ada, 'resumeStream', { ...generation, ...from(last) })
}

/** Cancels an answer in progress. */
async function cancelAnswer(
  scenario: Scenario,
  ada: Credentials,
  path: { conversationId: string },
) {
  const engine = createManualEngine()
  scenario.engine(engine)
  const streaming = scenario.call(ada, 'streamMessage', {
    body: { message: 'Tell me a long story.', ...path },
  })
  const turn = await engine.next()
  turn.say('Once upon a time')
  const { prisma } = scenario.testStore.database
  const { id } = await prisma.generation.findFirstOrThrow({ where: { status: 'running' } })
  await scenario.call(ada, 'cancelGeneration', { path: { generationId: id } })
  await streaming
  scenario.engine(scenario.builtin)
}

async function readConversations(
  { call }: Scenario,
  ada: Credentials,
  path: { conversationId: string },
) {
  await call(ada, 'createConversation', { body: { title: 'A holiday at home' } })
  const query = { q: 'holiday', archived: false, limit: 1 }
  const { nextCursor } = bodyOf<Page>(await call(ada, 'listConversations', { query }))
  await call(ada, 'listConversations', { query: { ...query, cursor: nextCursor } })
  await call(ada, 'listMessages', { path, query: { limit: 2 } })
  await call(ada, 'exportConversation', { path })
  const { headers } = await call(ada, 'getConversation', { path })
  await call(ada, 'getConversation', { path, headers: { 'If-None-Match': headers['etag']! } })
  await call(ada, 'changeConversation', {
    path,
    headers: { 'If-Match': headers['etag']! },
    body: { title: 'Two weeks in Jeju', pinned: true },
  })
}

/** Deletes the feedback and a conversation. */
export async function deleteAdasConversations({ call }: Scenario, ada: Credentials): Promise<void> {
  const feedback = bodyOf<{ data: Resource[] }>(await call(ada, 'listFeedback'))
  await call(ada, 'deleteFeedback', { path: { feedbackId: feedback.data[0]!.id } })
  const conversations = bodyOf<{ data: Resource[] }>(await call(ada, 'listConversations'))
  await call(ada, 'deleteConversation', { path: { conversationId: conversations.data[0]!.id } })
}
