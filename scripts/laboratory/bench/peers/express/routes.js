import { Router } from 'express'
import { fromParley, openDefaultPrisma } from '../shared/parley.js'
import { chargeTo, states } from './limits.js'

/** The relations that a conversation includes. */
const LATEST = 50

/** The operations of the bench; those that need a database only if there is one. */
export async function createRoutes() {
  const views = {
    ...(await fromParley('views/conversation.js')),
    ...(await fromParley('views/profile.js')),
    ...(await fromParley('views/system.js')),
  }
  const { modes } = await fromParley('domain/chat/modes.js')
  const routes = Router()
  routes.get('/health', (_req, res) => res.json({ status: 'up' }))
  routes.get('/modes', chargeTo('anonymous'), (_req, res) => res.json(views.modeListView(modes)))
  routes.get('/rate-limits', async (req, res) => {
    res.json(views.limitListView(await states(req), new Date()))
  })
  if (process.env.DATABASE_URL) await addRows(routes, views)
  return routes
}

async function addRows(routes, views) {
  const { toAccount } = await fromParley('store/accounts/account.js')
  const { toMessage } = await fromParley('store/messages/message.js')
  const prisma = await openDefaultPrisma()

  routes.get('/users/profile', chargeTo('user'), async (req, res) => {
    const row = await prisma.account.findUnique({ where: { id: req.principal.id } })
    res.set('ETag', `"${row.version}"`).json(views.profileView(toAccount(row)))
  })

  routes.get('/conversations', chargeTo('user'), async (req, res) => {
    const limit = Number(req.query.limit ?? 20)
    const rows = await prisma.conversation.findMany({
      where: { ownerId: req.principal.id },
      orderBy: [{ updatedAt: 'desc' }, { id: 'desc' }],
      take: limit + 1,
    })
    const data = rows.slice(0, limit)
    const last = data.at(-1)
    const position = last && `${last.updatedAt.getTime()} ${last.id}`
    const nextCursor = rows.length > limit ? Buffer.from(position).toString('base64url') : undefined
    res.json(views.conversationPageView({ data, nextCursor }))
  })

  routes.get('/conversations/:conversationId', chargeTo('user'), async (req, res) => {
    const row = await prisma.conversation.findFirst({
      where: { id: req.params.conversationId, ownerId: req.principal.id },
      include: { messages: { orderBy: { position: 'desc' }, take: LATEST } },
    })
    if (!row) throw Object.assign(new Error('Not Found'), { status: 404 })
    const { messages, ...conversation } = row
    const detail = { conversation, messages: messages.reverse().map(toMessage) }
    res.set('ETag', `"${row.version}"`).json(views.conversationDetailView(detail))
  })

  const { createIds } = await fromParley('ports/ids.js')
  const ids = createIds({ now: () => new Date() })
  routes.post('/conversations', chargeTo('user'), async (req, res) => {
    const { title, mode } = req.body
    const now = new Date()
    const data = { id: ids.next(), ownerId: req.principal.id, title: title.trim(), mode }
    const row = await prisma.conversation.create({
      data: { ...data, createdAt: now, updatedAt: now },
    })
    res.status(201).location(`/api/v1/conversations/${row.id}`).set('ETag', `"${row.version}"`)
    res.json(views.conversationView(row))
  })
}
