import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openWorkplace, type Workplace } from '../support/process/process.ts'

const PATIENCE_MS = 180_000

let workplace: Workplace
beforeEach(async () => {
  workplace = await openWorkplace()
})
afterEach(() => workplace.close())

describe('a start with a mistake in the configuration', () => {
  test(
    'exits with 1, names every mistake and prints no value',
    async () => {
      const secrets = { SERVER_SECRET: 'too-short-secret', CHAT_UPSTREAM_KEY: 'sk-key-of-mine' }
      const env = {
        ...secrets,
        PORT: 'eighty',
        BCRYPT_COST: '99',
        RATE_LIMIT_CHAT: 'ten-a-minute',
        RATE_LIMIT_CHATS: '1/1',
        TLS_KEY_FILE: '/key-of-mine.pem',
        ADMIN_PASSWORD: 'password-of-mine',
        DATABASE_URL: 'mysql://user:password-in-url@db/parley',
      }

      const { code, stderr, stdout } = await workplace.startInVain(env)

      expect(code).toBe(1)
      expect(stdout).toBe('')
      for (const name of Object.keys(env)) expect(stderr).toContain(name)
      for (const value of Object.values(env)) expect(stderr).not.toContain(value)
      expect(stderr).not.toContain('password-in-url')
      expect(stderr).not.toMatch(/\n\s+at /)
    },
    PATIENCE_MS,
  )

  test(
    'exits with 1 when the port is taken by another program',
    async () => {
      const first = await workplace.start()
      const port = new URL(first.url).port
      const env = { PORT: port, HOST: '127.0.0.1', DATA_DIR: `${workplace.directory}/other` }

      const { code, stderr } = await workplace.startInVain(env)

      expect(code).toBe(1)
      expect(stderr).toContain(`Port ${port} is taken by another program`)
      expect(stderr).not.toMatch(/\n\s+at /)
    },
    PATIENCE_MS,
  )
})
