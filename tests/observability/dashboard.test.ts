import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Operations } from '../../src/operations/operation.ts'
import { packageRoot } from '../../src/lib/package-root.ts'
import { panels, queries, type Target, variables } from '../support/observability/dashboard.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { type Metrics, readMetrics, type Sample } from '../support/observability/metrics.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'

const guide = readFileSync(join(packageRoot, 'docs/operations/metrics.md'), 'utf8')

/** The labels that Prometheus adds to every sample. */
const TARGET_LABELS = ['job', 'instance']
/** The words of PromQL besides the names of metrics and labels. */
const PROMQL_WORDS = /^(sum|rate|increase|topk|by|or|vector|histogram_quantile)$/

/** Returns the metrics of a query, each with the matchers of its labels. */
function findSelectors(expr: string) {
  return [...expr.matchAll(/(parley_\w+)(?:\{([^}]*)\})?/g)].map(([, name, inner = '']) => ({
    name: name!,
    matchers: [...inner.matchAll(/(\w+)(=~?)"([^"]*)"/g)].map(([, label, how, text]) => {
      return { label: label!, matches: how === '=' ? `^${text!}$` : `^(?:${text!})$` }
    }),
  }))
}

/** Returns the labels by which a query groups, or its legend names, its lines. */
function findGroupLabels({ expr, legendFormat }: Target): string[] {
  const lists = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/))
  return [...lists, ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!)]
}

/** Whether a real sample matches a selector. */
function matchesSelector(
  { name, labels }: Sample,
  selector: ReturnType<typeof findSelectors>[number],
): boolean {
  if (name !== selector.name) return false
  return selector.matchers.every(
    ({ label, matches }) =>
      TARGET_LABELS.includes(label) || new RegExp(matches).test(labels[label] ?? ''),
  )
}

describe('the metrics of a server with traffic', () => {
  let testStore: TestStore
  let server: TestServer
  let metrics: Metrics
  beforeAll(async () => {
    testStore = await openTestStore()
    // The embedded database has no pool of connections: this one stands for PostgreSQL's.
    const connections = () => ({ idle: 1, busy: 2, waiting: 3, most: 10 })
    const store = { ...testStore.store, connections }
    const invalidReply = () => Promise.resolve({ status: 299 } as never)
    server = await startServer({
      allowsViolations: true,
      testStore,
      env: { METRICS_PORT: '0' },
      replacements: {
        deps: { store },
        operations: (real: Operations) => ({ ...real, getStatus: invalidReply }),
      },
    })
    const alice = await server.createUser()
    await (await openStream(alice, { message: 'Hello' })).rest()
    await server.anonymous.refused('internal', 'getStatus')
    metrics = await readMetrics(server.metricsUrl)
  })
  afterAll(async () => {
    await server.close()
    await testStore.close()
  })

  test.each(queries)('answer the query of "$title": $expr', ({ expr, legendFormat }) => {
    const selectors = findSelectors(expr)
    expect(selectors).not.toEqual([])

    for (const selector of selectors) {
      const found = metrics.samples.filter((sample) => matchesSelector(sample, selector))
      expect(found, `samples of ${selector.name}`).not.toEqual([])
      for (const label of findGroupLabels({ expr, legendFormat })) {
        if (TARGET_LABELS.includes(label)) continue
        for (const { labels } of found) expect(labels).toHaveProperty(label)
      }
    }
  })

  test('are all in the dashboard and in the guide, and the guide names no other', () => {
    const types = [...metrics.text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!)
    const ownNames = types.filter((name) => !/^parley_(nodejs|process)_/.test(name))
    expect(ownNames.length).toBeGreaterThan(10)

    const selector = new Set(
      queries.flatMap(({ expr }) => findSelectors(expr).map(({ name }) => name)),
    )
    for (const name of ownNames) {
      expect(
        [name, `${name}_bucket`].some((one) => selector.has(one)),
        name,
      ).toBe(true)
      expect(guide, name).toContain(`\`${name}\``)
    }

    const documented = [...guide.matchAll(/`(parley_\w+)`/g)].map(([, name]) => name!)
    expect(documented.filter((name) => !types.includes(name))).toEqual([])

    const mentioned = [...guide.matchAll(/parley_\w+/g)].map(([name]) => name)
    const known = new Set([...types, ...metrics.samples.map(({ name }) => name)])
    expect(mentioned.filter((name) => !known.has(name))).toEqual([])
  })

  test('fill the lists of jobs and instances', () => {
    const definitions = variables.flatMap(({ definition }) => definition ?? [])

    expect(definitions).toHaveLength(2)
    for (const name of definitions.flatMap((text) => text.match(/parley_\w+/g) ?? [])) {
      expect(metrics.value(name), name).toBeGreaterThan(0)
    }
  })
})

test('every panel of the dashboard uses the selected data source, jobs and instances', () => {
  const names = ['datasource', 'job', 'instance']
  expect(variables.map(({ name }) => name)).toEqual(names)
  for (const panel of panels) expect(panel.datasource?.uid).toBe('${datasource}')

  for (const { expr } of queries) {
    for (const { matchers } of findSelectors(expr)) {
      expect(matchers.map(({ label }) => label)).toEqual(expect.arrayContaining(TARGET_LABELS))
    }
    const remainder = expr.replaceAll(/parley_\w+|\{[^}]*\}|"[^"]*"|\[[^\]]*\]|by \([^)]*\)/g, '')
    expect((remainder.match(/[a-z_]+/g) ?? []).filter((word) => !PROMQL_WORDS.test(word))).toEqual(
      [],
    )
  }
})
