import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normaliseEmail, requireEmail } from '../../src/domain/identity/emails.ts'

test('an email is trimmed and in lower case', () => {
  expect(normaliseEmail('  Ada.Lovelace+Parley@Example.COM\n')).toBe(
    'ada.lovelace+parley@example.com',
  )
})

test.each([
  ['no domain', 'ada'],
  ['no dot in the domain', 'ada@localhost'],
  ['two at signs', 'ada@x@example.com'],
  ['a space inside', 'a da@example.com'],
  ['a quoted local part', '"ada"@example.com'],
  ['dots in a row', 'a..b@example.com'],
  ['a hyphen at the end of a label', 'ada@example-.com'],
  ['an IP address as its domain', 'ada@[127.0.0.1]'],
  ['a line break', 'ada@example.com\r\nBcc: x@example.com'],
  ['U+0000', 'ada\0@example.com'],
  ['letters beyond ASCII', 'adä@example.com'],
  ['a Kelvin sign, which folds to an ASCII k', '\u212Aate@example.com'],
  ['a domain beyond ASCII', 'ada@exämple.com'],
  ['a local part of 65 characters', `${'a'.repeat(65)}@example.com`],
  ['255 characters', `a@${'b.'.repeat(125)}com`],
  ['a label of 64 characters', `ada@${'b'.repeat(64)}.com`],
])('an email with %s is refused', (_why, text) => {
  expect(normaliseEmail(text)).toBeUndefined()
})

test('a normalised email stays unchanged', () => {
  fc.assert(
    fc.property(fc.emailAddress(), (address) => {
      const once = normaliseEmail(address)
      fc.pre(once !== undefined)
      expect(normaliseEmail(once)).toBe(once)
    }),
  )
})

test('100 kB of hostile text is refused', () => {
  expect(normaliseEmail('a.'.repeat(50_000))).toBeUndefined()
  expect(normaliseEmail(`a@${'b-'.repeat(120)}`)).toBeUndefined()
})

test('an invalid email in a body is refused with its pointer', () => {
  expect(requireEmail(' Ada@Example.com')).toBe('ada@example.com')
  const errors = [expect.objectContaining({ in: 'body', pointer: '/email', code: 'format' })]
  const refusal = expect.objectContaining({ facts: expect.objectContaining({ errors }) as unknown })
  expect(() => requireEmail('ada@localhost')).toThrow(refusal)
})
