import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../src/lib/package-root.ts'

const run = promisify(execFile)

/**
 * Writes the Prisma client, replacing what is there. Works without the internet.
 * @param outputDirectory where to; the check gives a temporary one and compares.
 * @throws when the schema is not valid, with Prisma's message.
 */
export async function generatePrisma(
  outputDirectory = join(packageRoot, 'generated/prisma'),
): Promise<void> {
  const workplace = await mkdtemp(join(tmpdir(), 'parley-prisma-'))
  try {
    // The schema's text, its relative output included, ends up in the client: it is copied
    // and never edited, so that the client is the same wherever it is written.
    await cp(join(packageRoot, 'prisma/schema.prisma'), join(workplace, 'prisma/schema.prisma'))
    await runGenerator(workplace)
    await rm(outputDirectory, { recursive: true, force: true })
    await mkdir(outputDirectory, { recursive: true })
    await cp(join(workplace, 'generated/prisma'), outputDirectory, { recursive: true })
  } finally {
    await rm(workplace, { recursive: true, force: true })
  }
}

async function runGenerator(workplace: string): Promise<void> {
  const prisma = join(packageRoot, 'node_modules/prisma/build/index.js')
  const schema = join(workplace, 'prisma/schema.prisma')
  await run(process.execPath, [prisma, 'generate', '--schema', schema], {
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

if (import.meta.filename === process.argv[1]) await generatePrisma()
