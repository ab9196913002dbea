import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../../src/lib/package-root.ts'

export type Target = { expr: string; legendFormat: string }
type Panel = { title: string; targets?: Target[]; datasource?: { uid: string } }
type Variable = { name: string; definition?: string }
type Dashboard = { panels: Panel[]; templating: { list: Variable[] } }

const FILE = join(packageRoot, 'docs/operations/grafana-dashboard.json')
const dashboard = JSON.parse(readFileSync(FILE, 'utf8')) as Dashboard

/** What is chosen above the dashboard. */
export const variables = dashboard.templating.list
/** Those that show something. */
export const panels = dashboard.panels.filter(({ targets }) => targets !== undefined)
/** Every query, with the title of its panel. */
export const queries = panels.flatMap(({ title, targets }) =>
  targets!.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
)
