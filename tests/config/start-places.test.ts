import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resetPassword } from '../../src/commands/actions/password-reset.ts'
import { readConfig } from '../../src/config/config.ts'
import { listenAll, refuseTakenPorts } from '../../src/assembly/listening.ts'
import { StartRefused } from '../../src/ports/start-refused.ts'
import { createParley, loadPolicies } from '../../src/assembly/parley.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-places-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const ADMIN = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'the admin of the tests' }
const configOf = (env: Record<string, string> = {}) =>
  readConfig(
    { DATA_DIR: directory, BCRYPT_COST: '4', HOST: '127.0.0.1', ...ADMIN, ...env },
    Object.keys(loadPolicies().limits),
  )

describe('the places that a server listens on', () => {
  test('are those that were asked for, once both are free', async () => {
    const config = configOf({ PORT: '0', METRICS_PORT: '0' })
    await refuseTakenPorts(config)
    const [server, metricsServer] = [createServer(), createServer()]
    const ports = await listenAll({ server, metricsServer }, config)
    expect(ports).toEqual({
      api: (server.address() as AddressInfo).port,
      metrics: (metricsServer.address() as AddressInfo).port,
    })

    for (const one of [server, metricsServer]) one.close()
  })

  test('are refused with a sentence where they are taken, or not of this machine', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const PORT = String((other.address() as AddressInfo).port)
    await expect(refuseTakenPorts(configOf({ PORT }))).rejects.toThrow(/is taken by another/)

    other.close()
    const HOST = '192.0.2.1'
    await expect(refuseTakenPorts(configOf({ PORT, HOST }))).rejects.toThrow(
      /not an address of this/,
    )
  })
})

describe('a password that an operator sets', () => {
  test('opens the account, and nobody else is touched', async () => {
    const config = configOf()
    await expect(resetPassword(['admin@example.com'], config)).rejects.toThrow(/no database in/)

    const parley = await createParley(config, {})
    await parley.stop(0)
    const made = await resetPassword(['admin@example.com', '--generate', '--enable'], config)
    expect(made.report).toContain('admin@example.com (admin) has a new password')
    expect(made.password).toMatch(/^\S{20,}$/)

    const unknown = resetPassword(['nobody@example.com', '--generate'], config)
    await expect(unknown).rejects.toThrow(/Administrators: admin@example.com/)
    await expect(resetPassword([], config)).rejects.toThrow(StartRefused)
    await expect(resetPassword(['--what'], config)).rejects.toThrow(/Usage/)

    const again = await createParley(configOf({ ADMIN_PASSWORD: made.password! }), {})
    expect(again.access).toMatchObject({ kind: 'given' })

    await again.stop(0)
  })
})
