import { SERVER_NAMES } from './report.ts'
import { middleOf, type Samples } from './rounds.ts'
import type { Measured } from './targets.ts'

const WIDTH = 760
const LEFT = 220
const RIGHT = 90
const ROW = 26
const BAR = 16
const HEAD = 44
const FOOT = 14

/** Readable in light and dark mode. */
const STYLE = `
  .ground { fill: #ffffff; } .text { fill: #1f2328; } .faint { fill: #59636e; }
  .bar { fill: #8c959f; } .parley { fill: #0969da; }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; }
  .title { font-weight: 600; font-size: 14px; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } .text { fill: #e6edf3; } .faint { fill: #9198a1; }
    .bar { fill: #656c76; } .parley { fill: #4493f8; }
  }`

type Panel = { title: string; bars: { name: string; micros: number }[] }

/** Returns an SVG chart of the processor time of each server for a call of the mix. */
export function chartOf(measured: Measured): string {
  const panels = [
    ...(measured.without ? [panelOf('Without the database', measured.without)] : []),
    ...(measured.with ? [panelOf('With the database', measured.with)] : []),
  ]
  let top = 0
  const drawn = panels.map((panel) => {
    const group = `<g transform="translate(0 ${top})">${draw(panel)}</g>`
    top += HEAD + panel.bars.length * ROW + FOOT
    return group
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" role="img">`,
    `<title>Processor time of a call of the mix, in microseconds; less is better</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${top}" rx="6"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n')
}

function panelOf(title: string, samples: Samples): Panel {
  const bars = [...samples.keys()].map((name) => {
    const { cpuMicros } = middleOf(samples, name, 'mix')
    return { name, micros: cpuMicros }
  })
  return { title, bars: bars.sort((a, b) => a.micros - b.micros) }
}

function draw({ title, bars }: Panel): string {
  const most = Math.max(...bars.map(({ micros }) => micros))
  const rows = bars.map(({ name, micros }, i) => {
    const y = HEAD + i * ROW
    const width = Math.max(1, (micros / most) * (WIDTH - LEFT - RIGHT))
    const kind = name === 'parley' ? 'parley' : 'bar'
    const text = y + BAR - 3
    return [
      `<text class="text" x="${LEFT - 10}" y="${text}" text-anchor="end">${SERVER_NAMES[name] ?? name}</text>`,
      `<rect class="${kind}" x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
      `<text class="faint" x="${(LEFT + width + 8).toFixed(1)}" y="${text}">${micros.toFixed(0)} µs</text>`,
    ].join('\n')
  })
  const head = `<text class="text title" x="16" y="24">${title}: processor time of the server for a call of the mix</text>`
  return [head, ...rows].join('\n')
}
