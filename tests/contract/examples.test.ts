import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CONTRACT_FILE, type ContractDocument } from '../../src/contract/document.ts'
import { contract, policies } from '../support/contract/contract.ts'
import {
  documentExamples,
  type Examples,
  masked,
  recordedExamples,
} from '../support/contract/document-examples.ts'
import { withExamples } from '../support/contract/example-writer.ts'
import type { Exchange } from '../support/recorded-scenario/exchange.ts'
import { recordScenario } from '../support/recorded-scenario/scenario.ts'

/*
 * Every example of the contract is a recorded request or response of a running server. This test
 * records the scenario again and compares each example with it. `npm run examples` writes the
 * recording into the contract and into openapi/examples.
 */

const ROOT = join(import.meta.dirname, '../..')
const LONGEST_TEXT = 1_000
const operationIds = policies.operations.map(({ operationId }) => operationId)

let recorded: Examples
let files: Map<string, string>
let document: ContractDocument
beforeAll(async () => {
  const exchanges = await recordScenario()
  recorded = recordedExamples(contract.document, exchanges)
  files = new Map(operationIds.map((operationId) => [operationId, fileOf(operationId, exchanges)]))
  if (process.env['RECORD_EXAMPLES'] !== undefined) await write()
  document = parse(await readFile(join(ROOT, CONTRACT_FILE), 'utf8')) as ContractDocument
}, 120_000)

describe('an example of the contract', () => {
  test.each([...documentExamples(contract.document).keys()])(
    'is what the server sent or received: %s',
    (place) => {
      expect(recorded.get(place), 'the scenario records no such example').toBeDefined()
      expect(documentExamples(document).get(place)!.value).toEqual(recorded.get(place)!.value)
    },
  )
})

describe('openapi/examples', () => {
  test.each(operationIds)('shows the recorded exchanges of %s', async (operationId) => {
    expect(JSON.parse(await readFile(pathOf(operationId), 'utf8'))).toEqual(
      JSON.parse(files.get(operationId)!),
    )
  })
})

async function write(): Promise<void> {
  const file = join(ROOT, CONTRACT_FILE)
  await writeFormatted(file, withExamples(contract.yaml, recorded))
  await mkdir(join(ROOT, 'openapi/examples'), { recursive: true })
  for (const [operationId, text] of files) await writeFormatted(pathOf(operationId), text)
}

async function writeFormatted(file: string, text: string): Promise<void> {
  await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }))
}

function pathOf(operationId: string): string {
  return join(ROOT, `openapi/examples/${operationId}.json`)
}

/** Returns the file with the first exchange of an operation for each of its statuses. */
function fileOf(operationId: string, exchanges: readonly Exchange[]): string {
  const own = exchanges.filter((exchange) => exchange.operationId === operationId)
  const first = own.filter(
    ({ status }, index) => own.findIndex((other) => other.status === status) === index,
  )
  const shown = first.map(({ request, status, headers, body }) => ({
    request: masked(request),
    response: { status, headers: contractHeaders(headers), body: masked(body) },
  }))
  return `${JSON.stringify(shown, shorten, 2)}\n`
}

/** Leaves out the headers of the connection, which are no part of an example. */
function contractHeaders(headers: Record<string, string>) {
  const hidden = new Set(['connection', 'content-length', 'date', 'keep-alive'])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hidden.has(name)))
}

function shorten(_key: string, value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= LONGEST_TEXT) return value
  return `${value.slice(0, 20)}… (${String(value.length)} characters)`
}
