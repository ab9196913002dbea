import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A part of Parley as it is built; PARLEY names the folder of its sources. */
export const fromParley = (path) => import(pathToFileURL(join(process.env.PARLEY, path)).href)

/** Prisma's client of Parley's schema on DATABASE_URL, with nothing set that is not set by default. */
export async function openDefaultPrisma() {
  const { PrismaClient } = await fromParley('../generated/prisma/client.js')
  const require = createRequire(join(process.env.PARLEY, 'main.js'))
  const { PrismaPg } = require('@prisma/adapter-pg')
  const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL })
  return new PrismaClient({ adapter })
}
