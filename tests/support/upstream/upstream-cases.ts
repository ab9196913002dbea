import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { CASE_SCHEMA } from './upstream-case-schema.ts'

/** What a request must be for a reply to be given to it. */
export type When = {
  /** Fields of the body that are there, or are not. */
  has?: string[]
  lacks?: string[]
  /** A role that one of the messages has. */
  role?: 'system' | 'developer'
  model?: string
  /** More messages than so many, the system's among them. */
  messagesOver?: number
}

/** One HTTP reply, literally. */
export type Reply = {
  /** Which call it answers. Default `chat`. */
  to?: 'chat' | 'models'
  when?: When
  /** How often it is given at the most; default always. */
  times?: number
  /** Default 200. */
  status?: number
  headers?: Record<string, string>
  /** JSON, or whatever came instead. */
  body?: string
  /** The text of an event stream. */
  stream?: string
  /** `cut`: the connection ends before the reply does. `silent`: it stays open, and nothing comes any more. */
  end?: 'cut' | 'silent'
}

/** What a caller gets, by `POST /chat` and by the stream. */
export type Outcome = {
  /** Of the answer; of one that failed, what was kept of it. */
  text?: string
  finishReason?: string
  usage?: Record<string, unknown>
  /** The least number: how a long history is shortened is not promised. */
  omittedMessages?: number
  model?: string
  /** The code of the problem. Without one, the answer is complete. */
  problem?: string
  retryable?: boolean
  /** Whether the refusal carries Retry-After. */
  retryAfter?: boolean
  /** Requests for a completion that one call makes. Default 1. */
  asks?: number
  /** The next call makes only one, since what was learnt is remembered. */
  remembered?: true
  /** Part of a line that the operator sees. */
  log?: string
  /** What is in no answer, in no line of the log and in no later request. */
  never?: string[]
}

/** One file of `tests/engine/upstreams/<family>/<name>.yaml`. */
export type UpstreamCase = {
  family: string
  name: string
  /** Where the fact is public. */
  source: string
  fact: string
  /** The base URL's path and query. Default `/v1`. */
  base?: string
  /** Variables over those that every case has. */
  settings?: Record<string, string>
  /** The ids that `GET /models` lists. Default one. */
  models?: string[]
  /** Questions that the conversation had before, each with an answer. Default none. */
  earlier?: number
  replies: Reply[]
  parley: Outcome
}

export const CASES_DIRECTORY = join(packageRoot, 'tests/engine/upstreams')

const isCase = new Ajv({ allErrors: true }).compile(CASE_SCHEMA)

/** All cases, by family and name. @throws where a file is not one, with its path and what is wrong */
export async function upstreamCases(): Promise<UpstreamCase[]> {
  const files = await readdir(CASES_DIRECTORY, { recursive: true })
  const wanted = files.filter((file) => file.endsWith('.yaml')).sort()
  return wanted.map(readCase)
}

/** The cases of each family. */
export function familiesOf(cases: readonly UpstreamCase[]): Map<string, UpstreamCase[]> {
  const families = new Map<string, UpstreamCase[]>()
  for (const one of cases) families.set(one.family, [...(families.get(one.family) ?? []), one])
  return families
}

function readCase(file: string): UpstreamCase {
  const [family, name] = file.replace(/\.yaml$/, '').split('/')
  const written: unknown = parse(readFileSync(join(CASES_DIRECTORY, file), 'utf8'))
  return caseOf(written, { family: family!, name: name!, file })
}

/** @throws where it does not fit, with the place */
export function caseOf(
  written: unknown,
  { file, ...named }: { family: string; name: string; file: string },
): UpstreamCase {
  if (!isCase(written)) {
    const mistakes = isCase.errors!.map(({ instancePath, message, params }) => {
      return `${instancePath || '/'} ${message ?? ''} ${JSON.stringify(params)}`
    })
    throw new Error(`${file}: ${mistakes.join('; ')}`)
  }
  return { ...named, ...(written as Omit<UpstreamCase, 'family' | 'name'>) }
}
