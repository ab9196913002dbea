import { randomBytes } from 'node:crypto'
import { fromParley, openDefaultPrisma } from '../shared/parley.js'

/** The relations that a conversation includes. */
const LATEST = 50

/** Reads and writes rows with Parley's queries (QUERIES=parley) or Prisma's default ones (QUERIES=default). */
export async function openRows() {
  const { Cursors } = await fromParley('domain/lists/cursors.js')
  const { createIds } = await fromParley('ports/ids.js')
  const queries = process.env.QUERIES === 'default' ? await defaultForms() : await parleysForms()
  const cursors = new Cursors(randomBytes(32))
  const ids = createIds({ now: () => new Date() })
  return {
    account: queries.account,
    detail: queries.detail,
    async page(ownerId, { limit = 20 }) {
      const filters = { list: 'conversations', ownerId }
      const read = await queries.list(ownerId, limit + 1)
      const data = read.slice(0, limit)
      if (read.length <= limit) return { data }
      const { updatedAt, id } = data.at(-1)
      return { data, nextCursor: cursors.seal([updatedAt.getTime(), id], filters) }
    },
    create: (ownerId, { title, mode }) =>
      queries.create({ id: ids.next(), ownerId, title, mode, now: new Date() }),
  }
}

async function parleysForms() {
  const { openStore } = await fromParley('store/store.js')
  const store = await openStore({ databaseUrl: process.env.DATABASE_URL })
  return {
    account: (id) => store.accounts.find(id),
    list: (ownerId, limit) => store.conversations.list({ ownerId, limit }),
    detail: (ownerId, id) =>
      store.conversations.findWithLatestMessages({ id, ownerId, limit: LATEST }),
    create: (conversation) => store.conversations.create(conversation),
  }
}

async function defaultForms() {
  const { toAccount } = await fromParley('store/accounts/account.js')
  const { toMessage } = await fromParley('store/messages/message.js')
  const prisma = await openDefaultPrisma()
  return {
    async account(id) {
      const row = await prisma.account.findUnique({ where: { id } })
      return row && toAccount(row)
    },
    list: (ownerId, take) =>
      prisma.conversation.findMany({
        where: { ownerId },
        orderBy: [{ updatedAt: 'desc' }, { id: 'desc' }],
        take,
      }),
    async detail(ownerId, id) {
      const row = await prisma.conversation.findFirst({
        where: { id, ownerId },
        include: { messages: { orderBy: { position: 'desc' }, take: LATEST } },
      })
      if (!row) return undefined
      const { messages, ...conversation } = row
      return { conversation, messages: messages.reverse().map(toMessage) }
    },
    create: ({ now, ...data }) =>
      prisma.conversation.create({ data: { ...data, createdAt: now, updatedAt: now } }),
  }
}
