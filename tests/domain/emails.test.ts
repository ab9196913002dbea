import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normaliseEmail, requireEmail } from '../../src/domain/identity/emails.ts'

test('an address has one spelling: trimmed and in lower case', () => {
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
  ['a literal address', 'ada@[127.0.0.1]'],
  ['a line break that would end a header', 'ada@example.com\r\nBcc: x@example.com'],
  ['U+0000', 'ada\0@example.com'],
  ['letters beyond ASCII', 'adä@example.com'],
  ['a Kelvin sign, which folds to an ASCII k', '\u212Aate@example.com'],
  ['a domain beyond ASCII', 'ada@exämple.com'],
  ['a local part of 65', `${'a'.repeat(65)}@example.com`],
  ['255 characters', `a@${'b.'.repeat(125)}com`],
  ['a label of 64', `ada@${'b'.repeat(64)}.com`],
])('%s is no address', (_why, text) => {
  expect(normaliseEmail(text)).toBeUndefined()
})

test('what was normalised once stays as it is', () => {
  fc.assert(
    fc.property(fc.emailAddress(), (address) => {
      const once = normaliseEmail(address)
      fc.pre(once !== undefined)
      expect(normaliseEmail(once)).toBe(once)
    }),
  )
})

test('100 kB of hostile text is refused at once', () => {
  expect(normaliseEmail('a.'.repeat(50_000))).toBeUndefined()
  expect(normaliseEmail(`a@${'b-'.repeat(120)}`)).toBeUndefined()
})

test('an address in a body that is none is refused with its place', () => {
  expect(requireEmail(' Ada@Example.com')).toBe('ada@example.com')

  const errors = [expect.objectContaining({ in: 'body', pointer: '/email', code: 'format' })]
  const refusal = expect.objectContaining({ facts: expect.objectContaining({ errors }) as unknown })
  expect(() => requireEmail('ada@localhost')).toThrow(refusal)
})
