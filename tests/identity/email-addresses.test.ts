import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { logIn, register, takeWork } from './passwords.given.ts'

describe('an email address', () => {
  const unique = randomUUID().slice(0, 8)
  const email = `kate.is+${unique}@mail.example.com`
  const password = 'the password of Kate'
  beforeAll(async () => {
    expect((await register(email, password)).status).toBe(201)
  })

  const spellings = [
    email.toUpperCase(),
    email.replace('k', 'K'),
    email.replace('mail.example', 'Mail.EXAMPLE'),
    ` ${email}`,
    `${email} `,
    `\t\r\n${email}\n`,
    `\u00a0${email}\u3000`,
    `\ufeff${email}`,
  ]

  test('belongs to one account in any case and with white space around it', async () => {
    for (const spelling of spellings) {
      expect([spelling, (await logIn(spelling, password)).status]).toEqual([spelling, 200])
      expect((await logIn(spelling, `${password}!`)).status).toBe(401)
      const { body, status } = await register(spelling, password)
      expect([status, (body as Problem).code]).toEqual([409, 'email-taken'])
    }
  })

  test.each([
    ['a Kelvin sign for the k', email.replace('k', '\u212a')],
    ['a long s', email.replace('s', '\u017f')],
    ['a dotless i', email.replace('i', '\u0131')],
    ['a capital I with a dot', email.replace('i', '\u0130')],
    ['wide letters', email.replace('kate', '\uff4b\uff41\uff54\uff45')],
    ['a wide at sign', email.replace('@', '\uff20')],
    ['a small at sign', email.replace('@', '\ufe6b')],
    ['a wide dot in the domain', email.replace('.com', '\uff0ecom')],
    ['a Cyrillic a', email.replace('a', '\u0430')],
    ['a letter and an accent beside it', email.replace('a', 'a\u0301')],
    ['a soft hyphen', email.replace('a', 'a\u00ad')],
    ['a zero-width space', email.replace('a', 'a\u200b')],
    ['a zero-width space at the end', `${email}\u200b`],
    ['text that runs from right to left', `\u202e${email}`],
    ['a tab inside', email.replace('@', '\t@')],
    ['a second address', `${email},evil@example.com`],
    ['a name around it', `Kate <${email}>`],
    ['a comment', `${email}(kate)`],
    ['quotes', email.replace('kate.is', '"kate.is"')],
    ['a dot at the end of the domain', `${email}.`],
  ])('is refused with 400 at /email before any hashing: %s', async (_, lookalike) => {
    for (const answer of [await logIn(lookalike, password), await register(lookalike, password)]) {
      const { code, errors } = answer.body as Problem
      expect([answer.status, code]).toEqual([400, 'invalid-request'])
      expect(errors).toMatchObject([{ in: 'body', pointer: '/email' }])
    }

    expect(takeWork()).toEqual([])
  })

  test('belongs to one account after twenty concurrent registrations of its spellings', async () => {
    const fresh = `${randomUUID()}@example.com`

    const all = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const spelling = i % 2 === 0 ? fresh.toUpperCase() : ` ${fresh}`
        return register(spelling, `the password of number ${i}`)
      }),
    )

    expect(all.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(all.filter(({ status }) => status === 409)).toHaveLength(19)
    const winner = all.findIndex(({ status }) => status === 201)
    const tries = await Promise.all(all.map((_, i) => logIn(fresh, `the password of number ${i}`)))
    expect(tries.flatMap(({ status }, i) => (status === 200 ? [i] : []))).toEqual([winner])
  })

  test('differs from the same address without its dots or its tag', async () => {
    expect((await logIn(email.replace('kate.is', 'kateis'), password)).status).toBe(401)
    expect((await logIn(email.replace(`+${unique}`, ''), password)).status).toBe(401)
  })
})
