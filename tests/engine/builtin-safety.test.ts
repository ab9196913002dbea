import fc from 'fast-check'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { say, talk } from './builtin.given.ts'

describe('syntax of the rules in the text of a user', () => {
  const attacks = [
    '<set name=Eve>',
    '{topic=evil}',
    '<call>result</call>',
    '\n+ hack\n- hacked',
    '^',
    '*',
    '<bot name>',
    '<bot name=evil>',
    '{@what can you do}',
    '(@yes)',
    '{random}a|b{/random}',
    '$& $1 $`',
    '<star> <star2> <get name>',
    '{ok}',
    '\\n\\s',
    '\ue000\ue001',
    '‹joke›',
    'a¦b~은/는',
    '__proto__',
    'constructor',
    '"',
    '=> x',
    '{weight=0}',
  ]

  it.each(attacks)('is repeated literally and never executed: %s', async (attack) => {
    const [learned, , recalled] = await talk([
      `my favorite thing is X${attack}Y`,
      'ok',
      'what is my favorite thing?',
    ])

    for (const answer of [learned!, recalled!]) expect(answer).not.toMatch(/undefined|ERR:|hacked/)
    await expectOnlyMarksOf(attack)
  })

  /** Expects no answer to have marks of the rules that the text itself does not have. */
  async function expectOnlyMarksOf(text: string) {
    const answers = await talk([
      text,
      `My name is ${text}`,
      'What is my name?',
      `${text} 좋아해요`,
      '제 이름이 뭐예요?',
    ])
    for (const answer of answers) {
      const marks = answer.match(/undefined|ERR|<\/?call|‹|›|¦|~[가-힣]+\/|[\ue000-\uf8ff]/g) ?? []
      for (const mark of marks) expect(text).toContain(mark)
      expect(answer).not.toBe('')
    }
  }

  it('is remembered unchanged', async () => {
    expect(await say('I like {topic=x} <b>&', 'what do I like?')).toContain('{topic=x} <b>&')
    expect(await say('I like C++', 'what do I like?')).toContain('C++')
    expect(await say('I like $1 and $&x', 'what do I like?')).toContain('$1 and $&x')
  })

  it('of any kind gets a well-formed answer without marks of the rules', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom(...Array.from('<>{}@*_#|[]()~‹›¦=\\/ aI나는이름은 \n.?!')),
      }),
      fc.constantFrom('\ud800', 'a\0b', '👩‍👩‍👧‍👦', '...', ' ', ''),
    )

    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), async (texts) => {
        for (const answer of await talk(texts)) {
          expect(answer).not.toBe('')
          expect(answer.isWellFormed()).toBe(true)
          expect(answer).not.toMatch(/ERR:|\[ERR|‹|\0/)
        }
      }),
      { numRuns: 150 },
    )
  })
})

// A pattern that backtracks without bound would exceed the time limit of the test.
describe('a hostile message', () => {
  const hostile = [
    'a '.repeat(100_000),
    'x'.repeat(200_000),
    '가'.repeat(200_000),
    '.'.repeat(200_000),
    '😀'.repeat(100_000),
    '1+'.repeat(100_000),
    `${'('.repeat(100)}1${')'.repeat(100)}`,
    'i am my name is i like because '.repeat(5_000),
    '저는 이름은 에 살아 좋아해 '.repeat(5_000),
    '이이'.repeat(200) + '3',
    '9'.repeat(190) + '+1',
    'I feel sad because '.repeat(60),
    '<{[('.repeat(50_000),
  ]

  it.each(hostile.map((text) => [text.slice(0, 20), text] as const))(
    'is answered in time: %s…',
    async (_name, text) => {
      expect(await say(text)).not.toBe('')
    },
  )

  it('that repeats the words of any rule is answered in time', async () => {
    const rules = ruleLines().filter((line) => line.startsWith('+ '))
    expect(rules.length).toBeGreaterThan(200)

    const fillers = ['a', 'a ', 'i am ', '가', '나는']
    for (const rule of rules) {
      const literal = rule.slice(2).replace(/\(([^)|]*)[^)]*\)/g, '$1')
      for (const filler of fillers) {
        const text = literal.replaceAll('*', filler.repeat(200)) + '!x'
        expect(await say(text), text.slice(0, 80)).not.toBe('')
      }
    }
  })
})

describe('the rules of the built-in engine', () => {
  it('refer only to topics that exist and mark only what another rule reads', () => {
    const text = ruleLines().join('\n')
    const followed = new Set(
      [...text.matchAll(/% \*‹(\w+)›\*|after<\/call> == (\w+)/g)].map((m) => m[1] ?? m[2]),
    )
    const known = new Set([...followed, 'fallback', 'hello', 'grave'])
    for (const [, mark] of text.matchAll(/‹(\w+)›/g)) expect(known).toContain(mark)

    const targets = new Set([...text.matchAll(/^\+ =(.*)$/gm)].map(([, name]) => name))
    for (const [, target] of text.matchAll(/^@ =(.*)$/gm)) expect(targets).toContain(target)
    for (const [, target] of text.matchAll(/\{@([a-z][^}<~]*)\}/g))
      expect(targets).toContain(target)
  })
})

function ruleLines(): string[] {
  const folder = join(packageRoot, 'src/engine/builtin/brain')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return files
    .filter((name) => name.endsWith('.rive'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
}
