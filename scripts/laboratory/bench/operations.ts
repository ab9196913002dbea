/** One call as the load generators send it. */
export type Call = {
  method: 'GET' | 'POST'
  /** Below the origin, `/api/v1` included. */
  path: string
  headers: Record<string, string>
  body?: string
}

/** An operation and its calls, which are sent in turn and must all succeed. */
export type Operation = { name: string; operationId: string; calls: Call[] }

/** A caller, and the conversations that it owns. */
export type Person = { id: string; token: string; conversationIds: string[] }

/** Operations that need no database query. */
export const WITHOUT_DATABASE = ['limits', 'modes', 'health'] as const
export const WITH_DATABASE = ['profile', 'list', 'conversation', 'create'] as const

/** The calls of each operation among 16, in the proportions of a chat client. */
export const MIX = { health: 1, profile: 3, list: 4, conversation: 6, create: 2 } as const

const TITLE = 'What we said about the weather'
const MESSAGE = 'Hello! My name is Ada.'
const CALLS = 64

/** Returns every operation of the bench, with calls spread over the callers and their conversations. */
export function operationsOf(people: readonly Person[]): Record<string, Operation> {
  const spread = (make: (person: Person, round: number) => Omit<Call, 'headers'>): Call[] =>
    Array.from({ length: CALLS }, (_, i) => {
      const person = people[i % people.length]!
      const call = make(person, Math.floor(i / people.length))
      return { ...call, headers: headersOf(person, call.body !== undefined) }
    })
  const read = (path: string) => spread(() => ({ method: 'GET', path: `/api/v1${path}` }))
  const write = (path: string, body: object) =>
    spread(() => ({ method: 'POST', path: `/api/v1${path}`, body: JSON.stringify(body) }))
  const conversation = ({ conversationIds }: Person, round: number) =>
    conversationIds[round % conversationIds.length] ?? ''
  const operation = (name: string, operationId: string, calls: Call[]) => ({
    [name]: { name, operationId, calls },
  })
  return {
    ...operation('limits', 'getRateLimits', read('/rate-limits')),
    ...operation('modes', 'listModes', read('/modes')),
    ...operation('health', 'getHealth', read('/health')),
    ...operation('profile', 'getProfile', read('/users/profile')),
    ...operation('list', 'listConversations', read('/conversations?limit=20')),
    ...operation(
      'conversation',
      'getConversation',
      spread((person, round) => ({
        method: 'GET',
        path: `/api/v1/conversations/${conversation(person, round)}`,
      })),
    ),
    ...operation(
      'create',
      'createConversation',
      write('/conversations', { title: TITLE, mode: 'concise' }),
    ),
    ...operation('chat', 'sendMessage', write('/chat', { message: MESSAGE })),
    ...operation('stream', 'streamMessage', write('/chat/stream', { message: MESSAGE })),
  }
}

/** Returns the calls of several operations, evenly interleaved in these shares, always in the same order. */
export function stir(
  operations: Record<string, Operation>,
  shares: Readonly<Record<string, number>>,
): Call[] {
  const order = Object.entries(shares)
    .flatMap(([name, share]) =>
      Array.from({ length: share }, (_, i) => ({ name, at: (i + 0.5) / share })),
    )
    .sort((a, b) => a.at - b.at)
  return Array.from({ length: CALLS }, (_, round) =>
    order.map(({ name }, i) => operations[name]!.calls[(round * order.length + i) % CALLS]!),
  ).flat()
}

function headersOf({ token }: Person, hasBody: boolean): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    accept: '*/*',
    ...(hasBody && { 'content-type': 'application/json' }),
  }
}
