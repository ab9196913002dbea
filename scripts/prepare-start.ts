/** What a start needs beyond its code, made once by the build: the files of the docs, the contract read. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { CONTRACT_FILE } from '../src/contract/document.ts'
import { keepParsed } from '../src/contract/parsed-contract.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { copyDocsAssets } from './copy-docs-assets.ts'

const yaml = readFileSync(join(packageRoot, CONTRACT_FILE), 'utf8')
keepParsed(yaml, parse(yaml))
await copyDocsAssets()
