import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import express, { type Request, type RequestHandler, type Router } from 'express'
import type { Contract } from '../../contract/document.ts'
import { toOpenApi31 } from '../../contract/openapi-31.ts'
import { packageRoot } from '../../lib/package-root.ts'
import { type Clock, systemClock } from '../../ports/clock/clock.ts'
import { readWorkflows } from './workflows.ts'
import { ASSETS_DIRECTORY, loadAssets } from './assets.ts'
import { answerAlways, fixedAnswer, type FixedAnswer, sendFixed } from './fixed-answer.ts'
import { pageHeaders, REDOC_STYLES } from './page-headers.ts'
import { consolePage, type Language, referencePage } from './pages.ts'
import { problemPages } from './problem-pages.ts'
import { answerSecurityTxt } from './security-txt.ts'
import { securityHeaders } from '../response/security-headers.ts'
import { refuseMethod } from '../request/unmatched.ts'

/**
 * How long a verifier may keep our public keys: well within the minute between a new key's
 * publication and its first signature.
 */
const KEYS_MAX_AGE_SECONDS = 30
const METHODS = 'GET, HEAD'
const HTML = 'text/html; charset=utf-8'
const MARKDOWN = 'text/markdown; charset=utf-8'
/** The guide in Korean; in English it is the description of the contract. From the package's root. */
const KOREAN_GUIDE_FILE = 'openapi/guide.ko.md'

/** What the docs show. `publicJwks` is asked at every call, because keys rotate. */
export type DocsSources = {
  contract: Contract
  publicJwks: () => unknown
  /** Where a hole may be reported; nowhere if left out. */
  securityContacts?: readonly string[]
  clock?: Clock
  /** Where the browser files are; `dist/docs` of this package unless told otherwise. */
  assetsDirectory?: string
}

/**
 * What people and tools read about the API: reference, console, explanations of problems, the
 * document and the public keys. Everything is in memory and comes from this server alone.
 * @throws when a browser file or a row of the table of errors is missing
 */
export function createDocs(sources: DocsSources): Router {
  const { contract, publicJwks, assetsDirectory = join(packageRoot, ASSETS_DIRECTORY) } = sources
  const { securityContacts = [], clock = systemClock } = sources
  const { title, description = '' } = contract.document.info
  const html = new Map([...problemPages(description)].map(([code, page]) => [code, htmlOf(page)]))

  const router = express.Router({ caseSensitive: true, strict: true })
  get(router, '/', redirectToDocs)
  // Redoc starts its search in a worker that it makes of a blob, and has no option for a file.
  const reference = pageHeaders({ styles: REDOC_STYLES, workers: ['blob:'] })
  for (const [path, language] of [
    ['/docs', 'en'],
    ['/docs/ko', 'ko'],
  ] as const) {
    const page = htmlOf(referencePage(title, language))
    get(router, path, reference, inLanguage(language), answerAlways(page))
  }
  const guide = fixedAnswer(readFileSync(join(packageRoot, KOREAN_GUIDE_FILE)), MARKDOWN)
  get(router, '/docs/ko/guide.md', securityHeaders, inLanguage('ko'), answerAlways(guide))
  get(router, '/docs/console', pageHeaders({}), answerAlways(htmlOf(consolePage(title))))
  getNamed(router, '/docs/problems/', html, pageHeaders({}))
  getNamed(router, '/docs/assets/', loadAssets(assetsDirectory), securityHeaders)
  const yaml = fixedAnswer(contract.yaml, 'application/yaml')
  get(router, '/openapi.yaml', securityHeaders, answerAlways(yaml))
  get(router, '/openapi.json', securityHeaders, answerJson(contract.document))
  get(router, '/openapi-3.1.json', securityHeaders, answerJson(toOpenApi31(contract.document)))
  const workflows = fixedAnswer(readWorkflows(), 'application/yaml')
  get(router, '/workflows.arazzo.yaml', securityHeaders, answerAlways(workflows))
  get(router, '/.well-known/jwks.json', securityHeaders, answerKeys(publicJwks))
  if (securityContacts.length > 0) {
    const answer = answerSecurityTxt(securityContacts, clock)
    get(router, '/.well-known/security.txt', securityHeaders, answer)
  }
  return router
}

/** GET and HEAD; OPTIONS is told so, and any other method is a problem. */
function get(router: Router, path: string, ...handlers: RequestHandler[]): void {
  router
    .route(path)
    .get(...handlers)
    .all(refuseMethod(METHODS))
}

/** The same for each name of a fixed list, to the letter; any other name is not ours to answer. */
function getNamed(
  router: Router,
  folder: string,
  answers: ReadonlyMap<string, FixedAnswer>,
  headers: RequestHandler,
): void {
  const find = ({ path }: Request) => answers.get(path.slice(folder.length))
  const skipUnlisted: RequestHandler = (req, _res, next) => {
    next(find(req) === undefined ? 'route' : undefined)
  }
  const send: RequestHandler = (req, res) => {
    sendFixed(res, find(req)!, req.headers['if-none-match'])
  }
  router.route(`${folder}:name`).all(skipUnlisted).get(headers, send).all(refuseMethod(METHODS))
}

function answerJson(document: unknown): RequestHandler {
  return answerAlways(fixedAnswer(JSON.stringify(document, null, 2) + '\n', 'application/json'))
}

function htmlOf(page: string): FixedAnswer {
  return fixedAnswer(page, HTML)
}

function inLanguage(language: Language): RequestHandler {
  return (_req, res, next) => {
    res.setHeader('Content-Language', language)
    next()
  }
}

const redirectToDocs: RequestHandler = (_req, res) => {
  res.statusCode = 302
  res.setHeader('Location', '/docs')
  res.end()
}

/** RFC 7517 section 8.5: the media type of a set of keys. */
function answerKeys(publicJwks: () => unknown): RequestHandler {
  return (_req, res) => {
    const body = Buffer.from(JSON.stringify(publicJwks()))
    res.setHeader('Content-Type', 'application/jwk-set+json')
    res.setHeader('Cache-Control', `public, max-age=${KEYS_MAX_AGE_SECONDS}`)
    res.setHeader('Content-Length', body.length)
    res.end(body)
  }
}
