import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { redisUrl } from '../../src/config/redis-url.ts'
import { Unreadable } from '../../src/config/values.ts'

function mistakeIn(text: string): string | undefined {
  try {
    redisUrl(text)
    return undefined
  } catch (error) {
    if (error instanceof Unreadable) return error.message
    throw error
  }
}

describe('REDIS_URL', () => {
  test.each([
    'redis://redis',
    'redis://redis:6379/',
    'redis://my_redis.chat-1.svc:6379/15',
    'redis://[fd00::1]:6379/2',
    'redis://:p%40ss%2Fw%23rd%3A%25x%3F@10.0.0.7:6379/2',
    'rediss://parley:secret@redis.example.com:6380',
    // Only the last @ ends the password: all parsers agree on that.
    'redis://:p@ss@redis',
    'unix:///run/redis/redis.sock',
    'unix://parley:secret@/run/redis/redis.sock?db=2',
  ])('may be %s', (text) => {
    expect(redisUrl(text)).toBe(text)
  })

  test.each<[string, RegExp]>([
    ['http://redis', /starts with redis:\/\//],
    ['redis:6379', /starts with redis:\/\//],
    ['redis:/redis', /starts with redis:\/\//],
    ['redis+unix:///run/redis.sock', /unix:\/\/\/run/],
    ['redis-sentinel://redis:26379/mymaster', /starts with redis:\/\//],
    ['redis://:se/cret@redis', /percent-encoded/],
    ['redis://:se#cret@redis', /percent-encoded/],
    ['redis://:se?cret@redis', /percent-encoded/],
    ['redis://:100%@redis', /percent-encoded/],
    ['redis://:100%25%zz@redis', /percent-encoded/],
    ['redis://redis/parley', /database number/],
    ['redis://redis/0x1', /database number/],
    ['redis://redis/1/2', /database number/],
    ['redis://redis?db=2', /without \? or #/],
    ['redis://redis#2', /without \? or #/],
    ['redis:///2', /host of one server/],
    ['redis://:secret@:6379', /host of one server/],
    ['redis://one:6379,two:6379', /host of one server/],
    ['redis://one,two', /host of one server/],
    ['redis://redis:port', /host of one server/],
    ['redis://redis:99999', /host of one server/],
    ['redis://secret@redis', /a password after the user/],
    ['redis://redis \n', /without spaces/],
    ['unix://run/redis.sock', /path of a socket/],
    ['unix:///run/redis.sock?timeout=3', /path of a socket/],
  ])('is refused with the accepted form: %s', (text, sentence) => {
    expect(mistakeIn(text)).toMatch(sentence)
  })

  test('keeps any percent-encoded password', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (password) => {
        const text = `redis://:${encodeURIComponent(password)}@redis:6379/2`
        expect(decodeURIComponent(new URL(redisUrl(text)).password)).toBe(password)
      }),
    )
  })

  test('is not quoted in a mistake and causes no other error', () => {
    const password = fc.string({ minLength: 6 }).map((text) => `§${text}`)

    fc.assert(
      fc.property(password, fc.constantFrom('redis', 'rediss', 'unix', 'x'), (text, scheme) => {
        expect(mistakeIn(`${scheme}://:${text}@redis`) ?? '').not.toContain(text)
      }),
    )
  })
})
