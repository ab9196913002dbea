import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes a folder where it is not there yet: whole, or not at all. */
export async function madeOnce(directory: string, make: () => Promise<void>): Promise<void> {
  const mark = join(directory, 'complete')
  if (existsSync(mark)) return
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  await make()
  await writeFile(mark, '')
}
