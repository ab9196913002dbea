import { afterEach } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { send } from '../support/wire/wire.ts'

/** Run after each test, last first. */
export const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

/** Sends a call with any headers and body. Returns the response with its problem code. */
export async function callAs(
  client: Client,
  operationId: OperationId,
  headers: object,
  body: unknown,
) {
  const response = await send(client.urlOf(operationId), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { ...response, code: codeOf(response.text) }
}

function codeOf(text: string): string | undefined {
  return /"code":"([a-z-]+)"/.exec(text)?.[1]
}
