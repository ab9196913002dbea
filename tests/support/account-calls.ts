import type { Policy } from '../../src/contract/policy.ts'
import type { Store } from '../../src/store/store.ts'
import { createClient } from './client.ts'
import type { Database } from '../../src/store/database/database.ts'
import { exampleBody, fillPath, operations } from './contract/operations.ts'
import type { TestServer } from './server.ts'
import {
  createServiceAccount,
  createChatResources,
  createUserResources,
  type Resources,
} from './resources.ts'
import { send, type WireResponse } from './wire/wire.ts'

export type Kind = 'user' | 'service-account'

/** An account with every resource that an account can own, and an administrator. */
export type Subject = {
  kind: Kind
  id: string
  email?: string
  password?: string
  refreshToken?: string
  /** The headers that authenticate it. */
  credentials: Record<string, string>
  admin: Record<string, string>
  /** Ids by the name of the path parameter. */
  resources: Resources
}

/** One way to call an operation for an account. */
export type AccountCall = { name: string; operation: Policy; kind: Kind; form: Form }
type Form = 'plain' | 'named' | 'in its conversation'

/** Operations that write nothing for an existing account, or that close it. */
const EXCLUDED: Record<string, string> = {
  register: 'creates another account',
  createUser: 'creates another account',
  createServiceAccount: 'creates another account',
  closeAccount: 'closes the account',
  deleteUser: 'closes the account',
  deleteServiceAccount: 'closes the account',
}

const READS = ['get', 'head']
const writes = ({ method, audit, replies }: Policy) =>
  !READS.includes(method) || audit.length > 0 || replies.get(200) === 'text/event-stream'

/** Every operation that writes for an account, derived from the contract, so that new ones are included. */
export const accountCalls: readonly AccountCall[] = operations
  .filter((operation) => writes(operation) && !(operation.operationId in EXCLUDED))
  .flatMap((operation) =>
    kindsOf(operation).flatMap((kind) =>
      formsOf(operation).map((form) => ({
        name: `${operation.operationId}, ${form}, for a ${kind}`,
        operation,
        kind,
        form,
      })),
    ),
  )

function kindsOf({ auth, path }: Policy): Kind[] {
  if (path.includes('{userId}')) return ['user']
  if (path.includes('{serviceAccountId}')) return ['service-account']
  return auth === 'session' || auth === 'public' ? ['user'] : ['user', 'service-account']
}

function formsOf(operation: Policy): Form[] {
  const isInConversation = operation.operationId.endsWith('Message')
  return [
    'plain',
    ...(operation.idempotent ? (['named'] as const) : []),
    ...(isInConversation ? (['in its conversation'] as const) : []),
  ]
}

/** Bodies that refer to the account; any other operation gets its example. */
const BODIES: Record<string, (subject: Subject) => object> = {
  logIn: ({ email, password }) => ({ email, password }),
  refreshTokens: ({ refreshToken }) => ({ refreshToken }),
  changePassword: ({ password }) => ({ currentPassword: password, newPassword: password }),
  giveFeedback: ({ resources }) => ({ messageId: resources['messageId'], rating: 'up' }),
  sendMessage: () => ({ message: 'Hello' }),
  streamMessage: () => ({ message: 'Hello' }),
  changeUser: () => ({ displayName: 'Another name' }),
  changeServiceAccount: () => ({ name: 'Another name' }),
}

let idempotencyKeys = 0

/** Makes the call, whatever the response. */
export function sendAccountCall(
  { url }: Pick<TestServer, 'url'>,
  subject: Subject,
  { operation, form }: AccountCall,
): Promise<WireResponse> {
  const { operationId, tag, auth, method, hasBody } = operation
  const credentials = tag === 'admin' ? subject.admin : subject.credentials
  const body = {
    ...(BODIES[operationId]?.(subject) ?? (hasBody ? exampleBody(operation) : {})),
    ...(form === 'in its conversation' && { conversationId: subject.resources['conversationId'] }),
  }
  return send(url + fillPath(operation, (name) => subject.resources[name]!), {
    method,
    headers: {
      ...(auth !== 'public' && credentials),
      ...(hasBody && { 'Content-Type': 'application/json' }),
      ...(form === 'named' && { 'Idempotency-Key': `key-${String((idempotencyKeys += 1))}` }),
    },
    ...(hasBody && { body: JSON.stringify(body) }),
  })
}

/** Creates an account of this kind with every resource that it can own. */
export async function createSubject(server: TestServer, kind: Kind): Promise<Subject> {
  const admin = (await server.admin()).credentials
  if (kind === 'service-account') {
    const robot = await createServiceAccount(server, [
      ...(['chat:write', 'conversations:read', 'conversations:write'] as const),
      ...(['feedback:read', 'feedback:write', 'profile:read', 'profile:write'] as const),
      'usage:read',
    ])
    const { serviceAccountId, apiKeyId, credentials } = robot
    const resources = { ...(await createChatResources(robot)), serviceAccountId, apiKeyId }
    return { kind, id: serviceAccountId, credentials, admin, resources }
  }
  const user = await server.createUser()
  const { email, password, refreshToken } = user.identity
  const { id } = (await user.expect(200, 'getProfile')).body
  const resources = { ...(await createUserResources(user)), userId: id }
  return {
    kind,
    id,
    email,
    password,
    refreshToken,
    credentials: user.credentials,
    admin,
    resources,
  }
}

export type AccountEnd = 'by itself' | 'deleted' | 'disabled'

/** Closes or disables the account, by itself or by an administrator. */
export async function endAccount(
  server: TestServer,
  { kind, id, credentials }: Subject,
  how: AccountEnd,
): Promise<void> {
  if (how === 'by itself') {
    const own = createClient(server.url, { accessToken: bearerOf(credentials) } as never)
    await own.expect(204, 'closeAccount')
    return
  }
  const admin = await server.admin()
  const [userId, serviceAccountId] = [id, id]
  if (kind === 'user' && how === 'deleted')
    await admin.expect(204, 'deleteUser', { path: { userId } })
  else if (kind === 'user') {
    await admin.expect(200, 'changeUser', { path: { userId }, body: { disabled: true } })
  } else if (how === 'deleted') {
    await admin.expect(204, 'deleteServiceAccount', { path: { serviceAccountId } })
  } else {
    const body = { disabled: true }
    await admin.expect(200, 'changeServiceAccount', { path: { serviceAccountId }, body })
  }
}

function bearerOf(credentials: Record<string, string>): string {
  return credentials['Authorization']!.replace('Bearer ', '')
}

/** Columns that keep the id of a closed account. */
const RETAINED: Record<string, string> = {
  'audit_events.account_id': 'the record stays; it names no person',
}

/** Returns the number of rows that the account still has, by table, without tables that have none. */
export async function remainingRows(
  { prisma }: Database,
  accountId: string,
): Promise<Record<string, number>> {
  const columns = await prisma.$queryRaw<{ table: string; column: string }[]>`
    SELECT c.conrelid::regclass::text AS table, a.attname::text AS column FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)
    WHERE c.contype = 'f' AND c.confrelid = 'accounts'::regclass
    UNION
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name IN ('account_id', 'owner_id')`
  const left: Record<string, number> = {}
  for (const { table, column } of columns) {
    if (`${table}.${column}` in RETAINED) continue
    const [row] = await prisma.$queryRawUnsafe<[{ count: number }]>(
      `SELECT count(*)::int AS count FROM "${table}" WHERE "${column}" = '${accountId}'`,
    )
    if (row.count > 0) left[table] = row.count
  }
  return left
}

export type Interruption = {
  /** Resolves after the interruption has run; false if there was no such call. */
  happened(): Promise<boolean>
}

/** Wraps a store so that a test can run something before any single call. */
export function interruptible(real: Store) {
  let left = 0
  let act: (() => Promise<void>) | undefined
  const wrap =
    (call: (...parameters: never[]) => unknown) =>
    async (...parameters: never[]) => {
      const due = left === 0 ? act : undefined
      left -= 1
      if (due) {
        act = undefined
        await due()
      }
      return call(...parameters)
    }
  const wrapAll = (noun: object) =>
    Object.fromEntries(Object.entries(noun).map(([name, call]) => [name, wrap(call as never)]))
  const nouns = Object.entries(real).map(([name, noun]: [string, unknown]) => [
    name,
    typeof noun === 'object' && noun !== null ? wrapAll(noun) : noun,
  ])
  const store = {
    ...(Object.fromEntries(nouns) as Store),
    atomically: wrap((work: never) => real.atomically(work)) as Store['atomically'],
  }
  return {
    store,
    /** Runs something before the call with this number, counted from 0 from now on. */
    before(number: number, run: () => Promise<void>): Interruption {
      let running: Promise<void> | undefined
      left = number
      act = () => (running = run())
      return {
        async happened() {
          act = undefined
          await running
          return running !== undefined
        },
      }
    },
  }
}
