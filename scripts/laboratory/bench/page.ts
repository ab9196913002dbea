import type { Machine } from './machine.ts'
import type { Target } from './targets.ts'

/** Replaces the text between the marks of a part of the page. @throws if a mark is missing */
export function withPart(page: string, part: string, text: string): string {
  const [begin, end] = ['begin', 'end'].map((mark) => `<!-- ${part}: ${mark} -->`)
  const [before, rest] = page.split(begin!)
  const after = rest?.split(end!)[1]
  if (before === undefined || after === undefined)
    throw new Error(`The page has no marks of ${part}.`)
  return `${before}${begin}\n\n${text}\n\n${end}${after}`
}

/** Says where it was measured, and whether the machine was quiet enough. */
export function aboutMachine(machine: Machine): string {
  const { at, node, processor, cores, loadBefore, postgres } = machine
  const busy = loadBefore > cores / 4
  return [
    busy
      ? `**Preliminary.** The machine was busy with other work (load ${loadBefore.toFixed(1)} before the run).`
      : `The machine was quiet (load ${loadBefore.toFixed(1)} before the run).`,
    `${at}; Node ${node}; ${cores} cores of ${processor};`,
    postgres === undefined ? 'no PostgreSQL' : `PostgreSQL ${postgres}`,
  ].join('\n')
}

export function targetsTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, goal, reached, isMet }) => [
    what,
    goal,
    reached,
    isMet ? 'met' : '**not met**',
  ])
  return table(['', 'target', 'reached', ''], rows)
}

export function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}
