import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { codeBlocksOf, guideOf } from '../support/contract/guide.ts'

/* The guide has an English and a Korean edition. A change of one alone fails here. */

const english = guideOf()
const korean = readFileSync(join(packageRoot, 'openapi/guide.ko.md'), 'utf8')
const both = [english, korean] as const

test('both editions have identical code', () => {
  const [inEnglish, inKorean] = both.map(codeBlocksOf)

  expect(inKorean).toEqual(inEnglish)
})

test('both editions have the same sections in the same order, with equally many paragraphs and points', () => {
  const [inEnglish, inKorean] = both.map(shapeOf)
  expect(inKorean!.length).toBeGreaterThan(10)

  // The Korean preface has one more paragraph: the operations are in English.
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

test('every section of the Korean edition is mostly in Hangul', () => {
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

/** Returns the preface, then each section with its heading. Code is removed first, with its comments that look like headings. */
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

/** Returns the inline code of each section, sorted, because its order depends on the language. */
function namesBySection(markdown: string): string[][] {
  return sectionsOf(markdown).map((section) => {
    return [...new Set(section.match(/`[^`\n]+`/g))].sort()
  })
}
