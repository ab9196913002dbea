import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { EDGE } from './sentence.ts'
import type { Language } from './sentence.ts'

/**
 * The rules of a language as one RiveScript document. Files are read in the order of their names,
 * and the first rule that matches wins, which RiveScript expresses by weights. A rule without `*`
 * at an end is bound to that edge of the sentence. Only the program's own messages, which have no
 * edges, match `+ =word`.
 */
export function readRules(language: Language): string {
  // tsc does not copy .rive files, so they are read from the sources.
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
  // In English a `*` stands for whole words: "*(hi)*" must not match the "hi" in "this".
  const pattern = rule.replace(/\s*\*\s*/g, `${space}*${space}`).trim()
  const start = pattern.startsWith('*') ? '' : EDGE + space
  const end = pattern.endsWith('*') ? '' : space + EDGE
  return start + pattern + end
}
