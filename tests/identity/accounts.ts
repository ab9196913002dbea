import { randomUUID } from 'node:crypto'
import { type Client, createClient, type Identity } from '../support/client.ts'
import type { TestServer } from '../support/server.ts'

export type Role = 'user' | 'admin'

/** The body of a new account with an email that no account has. */
export const newAccount = (role: Role = 'user', displayName = 'Grace') => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName,
  role,
})

export async function logIn(
  at: TestServer,
  { email, password }: Pick<Identity, 'email' | 'password'>,
): Promise<Client> {
  const { body } = await at.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(at.url, { ...body, email, password })
}

/** Creates an account as an administrator, and logs in to it. */
export async function createAccount(at: TestServer, by: Client, role: Role = 'user') {
  const body = newAccount(role)
  const { body: user } = await by.expect(201, 'createUser', { body })
  return { client: await logIn(at, body), path: { userId: user.id }, ...body }
}

export const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id
