import { createHeldEngine } from '../upstream/held-engine.ts'
import { bodyOf, type Credentials, type Stage } from './recorder.ts'

type Thing = { id: string }
type Reply = { generationId: string; conversationId: string; message: Thing }
type Page = { nextCursor: string }

/** Ada talks, and says what she thinks of an answer. */
export async function adaTalks(stage: Stage, ada: Credentials): Promise<void> {
  const { tell } = stage
  const named = { 'Idempotency-Key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' }
  const plan = { headers: named, body: { title: 'Plans for the holiday', mode: 'balanced' } }
  await tell(ada, 'createConversation', plan)
  await tell(ada, 'createConversation', plan)
  const message = { message: 'Hello! My name is Ada.', mode: 'balanced' }
  const reply = bodyOf<Reply>(await tell(ada, 'sendMessage', { body: message }))
  const path = { conversationId: reply.conversationId }
  await adaStreams(stage, ada)
  await adaStops(stage, ada, path)
  await adaReads(stage, ada, path)
  const body = {
    messageId: reply.message.id,
    rating: 'up',
    tags: ['helpful'],
    comment: 'It remembered my name.',
  }
  await tell(ada, 'giveFeedback', { body })
  await tell(ada, 'listFeedback')
}

async function adaStreams({ tell }: Stage, ada: Credentials) {
  const streamed = await tell(ada, 'streamMessage', {
    body: { message: 'What is 6 times 7?', onDisconnect: 'continue' },
  })
  const [{ generationId }] = streamed.body as [{ generationId: string }]
  const generation = { path: { generationId } }
  await tell(ada, 'getGeneration', generation)
  const from = (seq: number) => ({ headers: { 'Last-Event-ID': `${generationId}:${String(seq)}` } })
  await tell(ada, 'resumeStream', { ...generation, ...from(1) })
  const last = (streamed.body as unknown[]).length
  await tell(ada, 'resumeStream', { ...generation, ...from(last) })
}

/** She stops an answer in the middle. */
async function adaStops(stage: Stage, ada: Credentials, path: { conversationId: string }) {
  const engine = createHeldEngine()
  stage.engine(engine)
  const streaming = stage.tell(ada, 'streamMessage', {
    body: { message: 'Tell me a long story.', ...path },
  })
  const turn = await engine.next()
  turn.say('Once upon a time')
  const { prisma } = stage.testStore.database
  const { id } = await prisma.generation.findFirstOrThrow({ where: { status: 'running' } })
  await stage.tell(ada, 'cancelGeneration', { path: { generationId: id } })
  await streaming
  stage.engine(stage.builtin)
}

async function adaReads({ tell }: Stage, ada: Credentials, path: { conversationId: string }) {
  await tell(ada, 'createConversation', { body: { title: 'A holiday at home' } })
  const query = { q: 'holiday', archived: false, limit: 1 }
  const { nextCursor } = bodyOf<Page>(await tell(ada, 'listConversations', { query }))
  await tell(ada, 'listConversations', { query: { ...query, cursor: nextCursor } })
  await tell(ada, 'listMessages', { path, query: { limit: 2 } })
  await tell(ada, 'exportConversation', { path })
  const { headers } = await tell(ada, 'getConversation', { path })
  await tell(ada, 'getConversation', { path, headers: { 'If-None-Match': headers['etag']! } })
  await tell(ada, 'changeConversation', {
    path,
    headers: { 'If-Match': headers['etag']! },
    body: { title: 'Two weeks in Jeju', pinned: true },
  })
}

/** She tidies up. */
export async function adaTidiesUp({ tell }: Stage, ada: Credentials): Promise<void> {
  const feedback = bodyOf<{ data: Thing[] }>(await tell(ada, 'listFeedback'))
  await tell(ada, 'deleteFeedback', { path: { feedbackId: feedback.data[0]!.id } })
  const conversations = bodyOf<{ data: Thing[] }>(await tell(ada, 'listConversations'))
  await tell(ada, 'deleteConversation', { path: { conversationId: conversations.data[0]!.id } })
}
