import { isMap, parseDocument, type Scalar, stringify, type YAMLMap } from 'yaml'
import type { Examples } from './document-examples.ts'

const LONGEST_LINE = 90

/** The document with these examples, and every other character of it as it was written by hand. */
export function withExamples(yaml: string, examples: Examples): string {
  const document = parseDocument(yaml)
  const changes = [...examples.values()].flatMap(({ place, value }) => {
    const parent = document.getIn(place.slice(0, -1), true)
    const pair = isMap(parent) ? exampleOf(parent as YAMLMap<Scalar, Scalar>) : undefined
    if (!pair?.key.range || !pair.value?.range) return []
    const [, start] = pair.key.range
    const indent = columnOf(yaml, pair.key.range[0])
    const isFlow = (parent as YAMLMap).flow === true
    // The range of a block goes on to the next thing.
    const end = yaml.slice(0, pair.value.range[1]).trimEnd().length
    return [{ start, end, text: textOf(value, indent, isFlow) }]
  })
  changes.sort((a, b) => b.start - a.start)
  return changes.reduce(
    (text, { start, end, text: value }) => text.slice(0, start) + value + text.slice(end),
    yaml,
  )
}

function exampleOf(map: YAMLMap<Scalar, Scalar>) {
  return map.items.find(({ key }) => key.value === 'example')
}

function columnOf(yaml: string, offset: number): number {
  return offset - (yaml.lastIndexOf('\n', offset - 1) + 1)
}

/** In one line if it is short; dates and the like in quotes, since other parsers read more into them. */
function textOf(value: unknown, indent: number, isFlow: boolean): string {
  const options = { compat: 'yaml-1.1', singleQuote: true, lineWidth: 0 } as const
  // SnakeYAML, which Java's generators read with, wants marks like `?` quoted in a flow.
  const quoted = { defaultStringType: 'QUOTE_SINGLE', defaultKeyType: 'PLAIN' } as const
  const isPlain = typeof value !== 'object'
  const flow = { ...options, collectionStyle: 'flow', ...(!isPlain && quoted) } as const
  const line = stringify(value, flow).trimEnd()
  if (isFlow || isPlain || line.length + indent < LONGEST_LINE) {
    if (!line.includes('\n')) return `: ${line}`
  }
  const lines = stringify(value, options).trimEnd().split('\n')
  return `:\n${lines.map((one) => ' '.repeat(indent + 2) + one).join('\n')}`
}
