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

describe('the ports of a server', () => {
  test('are those of the configuration', async () => {
    const config = configOf({ PORT: '0', METRICS_PORT: '0' })
    await refuseTakenPorts(config)
    const [server, metricsServer] = [createServer(), createServer()]

    const ports = await listenAll({ server, metricsServer }, config)

    expect(ports).toEqual({
      api: (server.address() as AddressInfo).port,
      metrics: (metricsServer.address() as AddressInfo).port,
    })
    for (const listening of [server, metricsServer]) listening.close()
  })

  test('are refused with the cause when they are taken or the address is not of this machine', async () => {
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

describe('resetPassword', () => {
  test('sets a password with which the account can log in', async () => {
    const config = configOf()
    await (await createParley(config, {})).stop(0)

    const args = ['admin@example.com', '--generate', '--enable']
    const { password, report } = await resetPassword(args, config)

    expect(report).toContain('admin@example.com (admin) has a new password')
    expect(password).toMatch(/^\S{20,}$/)
    const restarted = await createParley(configOf({ ADMIN_PASSWORD: password! }), {})
    expect(restarted.access).toMatchObject({ kind: 'given' })
    await restarted.stop(0)
  })

  test('refuses an unknown email and names the administrators', async () => {
    const config = configOf()
    await (await createParley(config, {})).stop(0)

    const reset = resetPassword(['nobody@example.com', '--generate'], config)

    await expect(reset).rejects.toThrow(/Administrators: admin@example.com/)
  })

  test('is refused without a database', async () => {
    await expect(resetPassword(['admin@example.com'], configOf())).rejects.toThrow(/no database in/)
  })

  test.each<[string, string[]]>([
    ['no email', []],
    ['an unknown option', ['--what']],
  ])('shows its usage for %s', async (_what, args) => {
    const reset = resetPassword(args, configOf())

    await expect(reset).rejects.toThrow(StartRefused)
    await expect(reset).rejects.toThrow(/Usage/)
  })
})
