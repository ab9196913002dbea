import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { codeBlocksOf, guideOf } from '../support/contract/guide.ts'

/*
 * The guide has two editions. Whoever changes one meets the other here.
 */

const english = guideOf()
const korean = readFileSync(join(packageRoot, 'openapi/guide.ko.md'), 'utf8')
const both = [english, korean] as const

test('both editions have the same code, to the letter', () => {
  const [inEnglish, inKorean] = both.map(codeBlocksOf)

  expect(inKorean).toEqual(inEnglish)
})

test('both editions have the same sections in the same order, and as much in each', () => {
  const [inEnglish, inKorean] = both.map(shapeOf)
  expect(inKorean!.length).toBeGreaterThan(10)

  // The Korean preface says besides that the operations are in English.
  inEnglish![0]!.paragraphs += 1
  expect(inKorean).toEqual(inEnglish)
})

test('both editions list the same errors with the same status', () => {
  const [inEnglish, inKorean] = both.map(errorsOf)

  expect(inKorean!.length).toBeGreaterThan(25)
  expect(inKorean).toEqual(inEnglish)
})

test('both editions name the same paths, headers, fields and codes in each section', () => {
  const [inEnglish, inKorean] = both.map(namesBySection)

  expect(inKorean).toEqual(inEnglish)
})

test('the guide in Korean is in Korean', () => {
  for (const section of sectionsOf(korean)) {
    const text = withoutCode(section)
      .split('\n')
      .slice(1)
      .join(' ')
      .replaceAll(/`[^`]*`/g, '')
    const letters = text.match(/\p{L}/gu) ?? []
    const hangul = text.match(/\p{Script=Hangul}/gu) ?? []
    if (letters.length > 0) expect(hangul.length / letters.length).toBeGreaterThan(0.5)
  }
})

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[^]*?^```$/gm, '—')
}

/** The preface, then each section with its heading; headings within code are none. */
function sectionsOf(markdown: string): string[] {
  return withoutCode(markdown).split(/^(?=#{1,3} )/m)
}

function shapeOf(markdown: string) {
  return sectionsOf(markdown).map((section) => {
    const blocks = section.trim().split(/\n{2,}/)
    return {
      level: /^#*/.exec(section)![0].length,
      paragraphs: blocks.length,
      points: section.match(/^- /gm)?.length ?? 0,
    }
  })
}

function errorsOf(markdown: string): string[] {
  const rows = markdown.matchAll(/^\| *(\d{3}) *\| *`([a-z-]+)` *\|/gm)
  return [...rows].map(([, status, code]) => `${status!} ${code!}`)
}

/** What is written alike in every language. Their order is each language's own. */
function namesBySection(markdown: string): string[][] {
  return sectionsOf(markdown).map((section) => {
    return [...new Set(section.match(/`[^`\n]+`/g))].sort()
  })
}
