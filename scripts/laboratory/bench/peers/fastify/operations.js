import { fromParley } from '../shared/parley.js'
import { openRows } from './rows.js'

/** The operations as Fastify handlers. Parley's views render the responses. */
export async function createHandlers(limits) {
  const views = {
    ...(await fromParley('views/conversation.js')),
    ...(await fromParley('views/profile.js')),
    ...(await fromParley('views/system.js')),
  }
  const { modes, requireMode } = await fromParley('domain/chat/modes.js')
  const handlers = {
    getHealth: async () => ({ status: 'up' }),
    listModes: async (_req, reply) => noStore(reply, views.modeListView(modes)),
    getRateLimits: async (req, reply) => {
      const policies = req.principal ? ['user', 'chat'] : ['anonymous']
      const tallies = await limits.peek(policies, req)
      const states = tallies.map((tally, i) => ({ ...tally, policy: policies[i] }))
      return noStore(reply, views.limitListView(states, new Date()))
    },
  }
  if (!process.env.DATABASE_URL) return handlers

  const rows = await openRows()
  return {
    ...handlers,
    getProfile: async (req, reply) => {
      const account = found(await rows.account(req.principal.id))
      return versioned(reply, account, views.profileView(account))
    },
    listConversations: async (req, reply) =>
      noStore(reply, views.conversationPageView(await rows.page(req.principal.id, req.query))),
    getConversation: async (req, reply) => {
      const detail = found(await rows.detail(req.principal.id, req.params.conversationId))
      return versioned(reply, detail.conversation, views.conversationDetailView(detail))
    },
    createConversation: async (req, reply) => {
      const { title, mode } = req.body
      requireMode(mode, '/mode')
      const made = await rows.create(req.principal.id, { title: title.trim(), mode })
      reply.code(201).header('Location', `/api/v1/conversations/${made.id}`)
      reply.header('ETag', `"${made.version}"`)
      return noStore(reply, views.conversationView(made))
    },
  }
}

function found(thing) {
  if (thing) return thing
  throw Object.assign(new Error('Not Found'), { statusCode: 404 })
}

function noStore(reply, body) {
  reply.header('Cache-Control', 'no-store')
  return body
}

function versioned(reply, { version }, body) {
  reply.header('ETag', `"${version}"`).header('Cache-Control', 'private, no-cache')
  return body
}
