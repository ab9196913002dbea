import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { codeBlocksOf, guideOf } from '../support/contract/guide.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { openFaultyProxy, type FaultyProxy } from '../support/wire/faulty-proxy.ts'

/*
 * Extracts the code of the guide and of the README and runs it. A program is skipped where its
 * language is not installed; `.ci/run` requires all of them.
 */

type Program = { language: string; tool: string; file: string; command: string[] }

const PROGRAMS: Program[] = [
  { language: 'js', tool: 'node', file: 'chat.mjs', command: ['node', 'chat.mjs'] },
  { language: 'python', tool: 'python3', file: 'chat.py', command: ['python3', 'chat.py'] },
  { language: 'java', tool: 'javac', file: 'Chat.java', command: ['java', 'Chat.java'] },
  { language: 'go', tool: 'go', file: 'chat.go', command: ['go', 'run', 'chat.go'] },
]
/** Longer than the programs wait by themselves, so that the test notices a program that ignores Retry-After. */
const CHAT_LIMIT = '1/3'
const TIMEOUT_MS = 60_000

const run = promisify(execFile)
const guide = guideOf()
const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8')

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-guide-'))
  return () => rm(directory, { recursive: true })
})

describe('the programs of the guide', { timeout: TIMEOUT_MS }, () => {
  const engine = createManualEngine()
  let server: TestServer
  let wire: FaultyProxy
  beforeAll(async () => {
    const instead = { deps: { engine, clock: systemClock } }
    server = await startServer({ env: { RATE_LIMIT_CHAT: CHAT_LIMIT }, replacements: instead })
    wire = await openFaultyProxy(server.url)
  })
  afterAll(async () => {
    wire.close()
    await server.close()
  })

  test('exist once in each language', () => {
    const languages = codeBlocksOf(guide).map(({ language }) => language)
    const programs = languages.filter((language) => !['', 'sh'].includes(language))

    expect(programs).toEqual(PROGRAMS.map(({ language }) => language))
  })

  for (const program of PROGRAMS) {
    const skipped = isInstalled(program.tool) ? '' : ` (skipped: no ${program.tool})`
    const name = `show the whole answer after a lost call, a 429 and a cut stream: ${program.language}`
    test.skipIf(skipped)(name + skipped, async () => {
      const { language, file, command } = program
      const { code } = codeBlocksOf(guide).find((block) => block.language === language)!
      await writeFile(join(directory, file), code)
      const alice = await server.createUser()
      const linesBefore = server.logLines().length
      const turnsBefore = engine.turns.length

      wire.set('broken')
      const lostBefore = wire.losses()
      const env = { API: `${wire.url}api/v1`, TOKEN: alice.identity.accessToken }
      const running = start(command, env)
      await until(() => wire.losses() > lostBefore || running.ended(), TIMEOUT_MS)
      const competing = alice.expect(200, 'sendMessage', {
        body: { message: 'Exhaust the limit.' },
      })
      const competingTurn = await engine.next()
      competingTurn.say('Exhausted.')
      competingTurn.end()
      await competing

      wire.set('open')
      const turn = await engine.next()
      wire.set('broken')
      wire.set('open')
      turn.say('Nice to meet ')
      await until(() => running.output().includes('meet') || running.ended(), TIMEOUT_MS)
      wire.set('broken')
      turn.say('you, Ada')
      wire.set('open')
      turn.say('! “안녕”')
      turn.end()

      expect(await running.exit).toBe(0)
      expect(textIn(running.output())).toBe('Nice to meet you, Ada! “안녕”')
      const calls = server.logLines().slice(linesBefore)
      const statuses = (id: string) =>
        calls.filter(({ operationId }) => operationId === id).map(({ status }) => status)
      expect(statuses('streamMessage').filter((status) => status === 429)).toHaveLength(1)
      expect(statuses('streamMessage').at(-1)).toBe(200)
      expect(statuses('resumeStream')).toEqual([200])
      // The engine answered the message once, although it was sent several times.
      expect(engine.turns.length - turnsBefore).toBe(2)
    })

    const final = `do not retry a permanent failure: ${program.language}`
    test.skipIf(skipped)(final + skipped, async () => {
      const { language, file, command } = program
      const { code } = codeBlocksOf(guide).find((block) => block.language === language)!
      await writeFile(join(directory, file), code)
      const alice = await server.createUser()
      const turnsBefore = engine.turns.length
      wire.set('open')
      const env = { API: `${wire.url}api/v1`, TOKEN: alice.identity.accessToken }
      const running = start(command, env)
      const turn = await engine.next()

      turn.fail(new EngineFailure('upstream-refused', 'for good'))

      expect(await running.exit).not.toBe(0)
      expect(engine.turns.length - turnsBefore).toBe(1)
    })
  }

  function start(command: readonly string[], env: Record<string, string>) {
    const child: ChildProcess = spawn(command[0]!, command.slice(1), {
      cwd: directory,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text))
    const exit = once(child, 'close').then(([code]) => code as number)
    return { exit, output: () => output, ended: () => child.exitCode !== null }
  }
})

describe('the curl commands', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.close())

  test('log in, chat and stream in the guide', async () => {
    const output = await runShell(guide, server)

    expect(output).toContain('"accessToken":')
    expect(output).toContain('Nice to meet you, Ada!')
    expect(output).toContain('event: message.end')
    expect(output).not.toContain('"code":')
  })

  test('work from the first login to the logout in the README', async () => {
    const output = await runShell(readme.slice(readme.indexOf('## Talk to it')), server)
    const codes = [...output.matchAll(/"code":"([a-z-]+)"/g)].map(([, code]) => code)

    // The last call shows that a token is refused immediately after the logout.
    expect(codes).toEqual(['token-invalid'])
    expect(output).toContain('"rating":"up"')
    expect(output).toContain('"name":"Help desk"')
    expect(output).toContain('HTTP/1.1 204')
  })

  /** Runs every call to the server in order, in one shell, with the administrator's credentials. */
  async function runShell(markdown: string, { url }: TestServer): Promise<string> {
    const calls = codeBlocksOf(markdown)
      .filter(({ language, code }) => language === 'sh' && code.includes('curl'))
      .map(({ code }) => code.replaceAll('http://localhost:3000', url))
    const script = calls
      .join('\n')
      .replace(/(you@example\.com|admin@parley\.local)/, 'admin@example.com')
      .replace(/(your password|THE PASSWORD)/, 'the admin of the tests')
      .replace("'the accessToken from the response'", await accessToken())
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: directory })
    return stdout
  }

  async function accessToken(): Promise<string> {
    return (await server.admin()).identity.accessToken
  }
})

function isInstalled(tool: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => existsSync(join(folder, tool)))
}

/** Returns the text of the answer. The program in Java has no JSON library and prints whole events. */
function textIn(output: string): string {
  if (!output.startsWith('{')) return output
  const events = output.trimEnd().split('\n')
  return events.map((line) => (JSON.parse(line) as { text?: string }).text ?? '').join('')
}
