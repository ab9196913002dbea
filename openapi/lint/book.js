/** Rules on the order of the document and on its table of errors. */
import { documentRule, operationsOf } from './document.js'

const ROW = /^\|\s*(\d{3})\s*\|\s*`([a-z-]+)`\s*\|/gm

/** Components are in alphabetical order in each section, by code point. */
const componentsInOrder = documentRule((root, report) => {
  for (const [section, components] of Object.entries(root.components ?? {})) {
    const names = Object.keys(components)
    const late = names.find((name, index) => index > 0 && name < names[index - 1])
    if (late !== undefined)
      report(['components', section, late], `\`${late}\` must be in alphabetical order.`)
  }
})

/** Paths are grouped by tag, in the order of the tags. */
const pathsInTagOrder = documentRule((root, report) => {
  const tags = (root.tags ?? []).map(({ name }) => name)
  let reached = 0
  for (const { path, operation, keys } of operationsOf(root)) {
    const place = tags.indexOf(operation.tags?.[0])
    if (place !== -1 && place < reached)
      report(keys, `\`${path}\` must be next to the other paths of its tag.`)
    reached = Math.max(reached, place)
  }
})

/** The table of errors lists each problem code once and nothing else, and operations use no other codes. */
const problemTable = documentRule((root, report) => {
  const rows = [...(root.info?.description ?? '').matchAll(ROW)].map(([, , code]) => code)
  const codes = root.components?.schemas?.ProblemCode?.enum ?? []
  const tell = (message) => report(['info', 'description'], message)
  for (const code of codes) {
    const count = rows.filter((row) => row === code).length
    if (count !== 1) tell(`The table of errors must list \`${code}\` once, not ${count} times.`)
  }
  for (const row of rows)
    if (!codes.includes(row))
      tell(`The table of errors lists \`${row}\`, which is not a problem code.`)
  for (const { operation, keys } of operationsOf(root))
    for (const code of operation['x-problems'] ?? [])
      if (!rows.includes(code))
        report([...keys, 'x-problems'], `\`${code}\` is not in the table of errors.`)
})

export const bookRules = {
  'components-in-order': componentsInOrder,
  'paths-in-tag-order': pathsInTagOrder,
  'problem-table': problemTable,
}
