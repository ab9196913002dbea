import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CONTRACT_FILE } from '../../src/contract/document.ts'
import { WORKFLOWS_FILE } from '../../src/http/docs/workflows.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { startServer, type TestServer } from '../support/server.ts'

type Workflows = { workflows: { workflowId: string; steps: { stepId: string }[] }[] }

/** The output of `redocly respect --json-output`, as far as it is read here. */
type Run = {
  status: string
  files: Record<
    string,
    { executedWorkflows: { workflowId: string; status: string; executedSteps: unknown[] }[] }
  >
}

let server: TestServer
let folder: string
let inputs: string
beforeAll(async () => {
  server = await startServer()
  folder = await mkdtemp(join(tmpdir(), 'parley-workflows-'))
  const [alice, admin] = [await server.createUser(), await server.admin()]
  inputs = JSON.stringify({
    email: alice.identity.email,
    password: alice.identity.password,
    adminEmail: admin.identity.email,
    adminPassword: admin.identity.password,
    idempotencyKey: randomUUID(),
  })
})
afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

/** Runs the workflows with `redocly respect`, which calls only the server. */
async function respect(file: string): Promise<{ code: number; run: Run }> {
  const report = join(folder, `${randomUUID()}.json`)
  const redocly = join(packageRoot, 'node_modules/.bin/redocly')
  const flags = ['--server', `parley=${server.url}/api/v1`, '--input', inputs]
  const child = spawn(redocly, ['respect', file, ...flags, '--json-output', report], {
    stdio: 'ignore',
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', CI: 'true' },
  })
  const [code] = (await once(child, 'exit')) as [number]
  return { code, run: JSON.parse(await readFile(report, 'utf8')) as Run }
}

test('every published workflow succeeds against the server', async () => {
  const file = join(packageRoot, WORKFLOWS_FILE)
  const { workflows } = parse(await readFile(file, 'utf8')) as Workflows

  const { code, run } = await respect(file)
  const executed = Object.values(run.files).flatMap((one) => one.executedWorkflows)

  expect(executed.map((one) => [one.workflowId, one.status, one.executedSteps.length])).toEqual(
    workflows.map(({ workflowId, steps }) => [workflowId, 'success', steps.length]),
  )
  expect([code, run.status]).toEqual([0, 'success'])
}, 60_000)

test('a workflow that expects another response fails', async () => {
  const text = await readFile(join(packageRoot, WORKFLOWS_FILE), 'utf8')
  const wrong = text.replace("/code == 'token-invalid'", "/code == 'token-expired'")

  expect(wrong).not.toBe(text)

  await copyFile(join(packageRoot, CONTRACT_FILE), join(folder, 'api.yaml'))
  const file = join(folder, 'wrong.arazzo.yaml')
  await writeFile(file, wrong)
  const { code, run } = await respect(file)
  expect([code, run.status]).toEqual([1, 'error'])
}, 60_000)
