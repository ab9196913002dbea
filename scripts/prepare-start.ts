/** What the compiler and a start need besides the code: the Prisma client, the parsed contract, the files of the docs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { CONTRACT_FILE } from '../src/contract/document.ts'
import { keepParsed } from '../src/contract/parsed-contract.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { copyDocsAssets } from './copy-docs-assets.ts'
import { ensurePrismaClient } from './generate-prisma.ts'

const yaml = readFileSync(join(packageRoot, CONTRACT_FILE), 'utf8')
keepParsed(yaml, parse(yaml))
await Promise.all([ensurePrismaClient(), copyDocsAssets()])
