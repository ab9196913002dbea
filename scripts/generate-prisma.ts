import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../src/lib/package-root.ts'
import { writeChanged } from './support/write-changed.ts'

const run = promisify(execFile)

const SCHEMA = join(packageRoot, 'prisma/schema.prisma')
const PRISMA = join(packageRoot, 'node_modules/prisma')
/** Says which schema and which Prisma a client was made from. */
const STAMP = 'made-from'

/**
 * Makes the Prisma client unless the one that is there was made from this schema by this Prisma: then it
 * reads three small files. Works without the internet, and in several processes at once: each file is
 * replaced as a whole, all processes write the same, and the stamp comes last.
 * @throws when the schema is not valid, with Prisma's message
 */
export async function ensurePrismaClient(
  directory = join(packageRoot, 'generated/prisma'),
): Promise<void> {
  const stamp = await expectedStamp()
  if ((await readStamp(directory)) === stamp) return
  const workplace = await mkdtemp(join(tmpdir(), 'parley-prisma-'))
  try {
    // The text of the schema, with its relative output, becomes a part of the client: it is copied and
    // never edited, so that the client is the same wherever it is made.
    await cp(SCHEMA, join(workplace, 'prisma/schema.prisma'))
    await runGenerator(workplace)
    await replaceFiles(directory, join(workplace, 'generated/prisma'))
    await writeChanged(join(directory, STAMP), Buffer.from(stamp))
  } finally {
    await rm(workplace, { recursive: true, force: true })
  }
}

async function expectedStamp(): Promise<string> {
  const [schema, manifest] = await Promise.all([
    readFile(SCHEMA),
    readFile(join(PRISMA, 'package.json'), 'utf8'),
  ])
  const { version } = JSON.parse(manifest) as { version: string }
  return `${createHash('sha256').update(schema).digest('hex')} ${version}\n`
}

function readStamp(directory: string): Promise<string | undefined> {
  return readFile(join(directory, STAMP), 'utf8').catch(() => undefined)
}

async function runGenerator(workplace: string): Promise<void> {
  const schema = join(workplace, 'prisma/schema.prisma')
  await run(process.execPath, [join(PRISMA, 'build/index.js'), 'generate', '--schema', schema], {
    cwd: packageRoot,
    env: {
      ...process.env,
      // Never run by `generate`, yet downloaded unless some executable is named.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
  })
}

/** Never leaves the directory without a file that both have: another process may be reading it. */
async function replaceFiles(directory: string, made: string): Promise<void> {
  const files = await filesIn(made)
  for (const file of files)
    await writeChanged(join(directory, file), await readFile(join(made, file)))
  const kept = new Set([...files, STAMP])
  // The unfinished file of another process is its own to remove.
  const old = (await filesIn(directory)).filter((file) => !kept.has(file) && file.endsWith('.ts'))
  await Promise.all(old.map((file) => rm(join(directory, file), { force: true })))
}

/** By their paths in the directory. */
async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
}

if (import.meta.filename === process.argv[1]) await ensurePrismaClient()
