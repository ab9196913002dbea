import { afterEach } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { send } from '../support/wire/wire.ts'

export const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

/** Sends a call as it is, whatever it answers. */
export async function callAs(
  client: Client,
  operationId: OperationId,
  headers: object,
  body: unknown,
) {
  const answer = await send(client.urlOf(operationId), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { ...answer, code: codeOf(answer.text) }
}

function codeOf(text: string): string | undefined {
  return /"code":"([a-z-]+)"/.exec(text)?.[1]
}
