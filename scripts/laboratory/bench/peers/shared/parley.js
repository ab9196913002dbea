import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Loads a module of the built Parley from the folder PARLEY. */
export const fromParley = (path) => import(pathToFileURL(join(process.env.PARLEY, path)).href)

/** Parley's Prisma client on DATABASE_URL, with default options. */
export async function openDefaultPrisma() {
  const { PrismaClient } = await fromParley('../generated/prisma/client.js')
  const require = createRequire(join(process.env.PARLEY, 'main.js'))
  const { PrismaPg } = require('@prisma/adapter-pg')
  const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL })
  return new PrismaClient({ adapter })
}
