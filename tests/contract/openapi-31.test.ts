import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import { type ContractDocument, loadContract } from '../../src/contract/document.ts'
import { toOpenApi31 } from '../../src/contract/openapi-31.ts'
import { packageRoot } from '../../src/lib/package-root.ts'

const run = promisify(execFile)
const contract = loadContract().document
const converted = toOpenApi31(contract)

test('the OpenAPI 3.1 document passes a linter', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'parley-openapi-31-'))
  const file = join(directory, 'openapi-3.1.json')
  const config = join(directory, 'redocly.yaml')
  await writeFile(file, JSON.stringify(converted))
  await writeFile(config, 'extends: [spec]\ntelemetry: "off"\n')

  const redocly = join(packageRoot, 'node_modules/.bin/redocly')
  await run(redocly, ['lint', '--format=stylish', `--config=${config}`, file])

  await rm(directory, { recursive: true })
})

test('the OpenAPI 3.1 document differs from the contract only in its version', () => {
  expect(converted).toEqual({ ...contract, openapi: '3.1.0' })
})

test('toOpenApi31 converts every keyword that has another meaning in 3.1', () => {
  const document = {
    ...contract,
    components: {
      schemas: {
        // A property may have the name of a keyword.
        Odd: {
          type: 'object',
          properties: {
            example: { type: 'string', nullable: true, example: 'x' },
            format: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 9 },
            schema: { type: 'array', items: { type: 'string', format: 'byte' } },
            file: { type: 'string', format: 'binary' },
          },
          example: { example: null },
        },
      },
    },
  }

  expect(toOpenApi31(document).components.schemas['Odd']).toEqual({
    type: 'object',
    properties: {
      example: { type: ['string', 'null'], examples: ['x'] },
      format: { type: 'number', exclusiveMinimum: 0, maximum: 9 },
      schema: { type: 'array', items: { type: 'string', contentEncoding: 'base64' } },
      file: { type: 'string', contentMediaType: 'application/octet-stream' },
    },
    examples: [{ example: null }],
  })
})

test('both versions accept and refuse the same bodies', () => {
  const [before, after] = [contract, converted].map((document, index) => {
    const ajv = new (index === 0 ? Ajv : Ajv2020)({ strict: false })
    addFormats.default(ajv)
    return ajv.addSchema(document, 'contract')
  })
  const verdicts = { accepted: 0, refused: 0 }
  for (const { pointer, example } of examplesOf(contract)) {
    for (const body of [example, ...invalidVariants(example)]) {
      const [old, next] = [before, after].map((ajv) => ajv!.getSchema(pointer)!(body))
      expect(next, `${pointer} ${JSON.stringify(body)}`).toBe(old)
      verdicts[old ? 'accepted' : 'refused'] += 1
    }
  }

  expect(verdicts.accepted).toBeGreaterThan(50)
  expect(verdicts.refused).toBeGreaterThan(200)
})

type Media = { schema?: unknown; example?: unknown }

/** Returns each example of a body with the pointer to its schema. */
function examplesOf(document: ContractDocument): { pointer: string; example: unknown }[] {
  const found: { pointer: string; example: unknown }[] = []
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { schema, example } = node as Media
    if (isReference(schema) && example !== undefined)
      found.push({ pointer: `contract${schema.$ref}`, example })
    Object.values(node).forEach(walk)
  }
  walk(document)
  return found
}

function isReference(schema: unknown): schema is { $ref: string } {
  return typeof schema === 'object' && schema !== null && '$ref' in schema
}

/** Returns variants of the body: without a property, with one of another type, with an unknown one. */
function invalidVariants(example: unknown): unknown[] {
  if (typeof example !== 'object' || example === null || Array.isArray(example)) return [[null]]
  const whole = example as Record<string, unknown>
  const incomplete = Object.keys(whole).map((key) => {
    return Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key))
  })
  const mistyped = Object.keys(whole).map((key) => ({ ...whole, [key]: { unknown: true } }))
  return [...incomplete, ...mistyped, { ...whole, unknown: true }]
}
