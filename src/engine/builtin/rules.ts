import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { EDGE } from './sentence.ts'
import type { Language } from './sentence.ts'

/**
 * The rules of a language as one RiveScript document. Files are read by name; the first rule that matches wins,
 * which RiveScript knows only as weights. A rule without `*` at an end is held to the edge of the sentence;
 * `+ =word` is matched by the program alone, as its messages have no edges.
 */
export function readRules(language: Language): string {
  // tsc copies no .rive files, so the sources are where they are read from.
  const folder = join(packageRoot, 'src', 'engine', 'builtin', 'brain', language)
  const files = readdirSync(folder).filter((name) => name.endsWith('.rive'))
  const lines = files.sort().flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
  let weight = lines.length
  const space = language === 'english' ? ' ' : ''
  return lines
    .map((line) => {
      if (/^[+@] /.test(line)) {
        const pattern = atEdges(line.slice(2).trim(), space)
        return line.startsWith('+') ? `+ ${pattern}{weight=${weight--}}` : `@ ${pattern}`
      }
      return line
    })
    .join('\n')
}

function atEdges(rule: string, space: string): string {
  if (rule.startsWith('=')) return rule.slice(1)
  // In English a `*` stands for whole words: "*(hi)*" must not find the "hi" in "this".
  const pattern = rule.replace(/\s*\*\s*/g, `${space}*${space}`).trim()
  const start = pattern.startsWith('*') ? '' : EDGE + space
  const end = pattern.endsWith('*') ? '' : space + EDGE
  return start + pattern + end
}
