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

/** What Prometheus itself puts on every sample. */
const OF_TARGETS = ['job', 'instance']
/** What PromQL knows besides names of metrics and labels. */
const WORDS = /^(sum|rate|increase|topk|by|or|vector|histogram_quantile)$/

/** The names of metrics that a query asks for, with what it wants of their labels. */
function selectorsOf(expr: string) {
  return [...expr.matchAll(/(parley_\w+)(?:\{([^}]*)\})?/g)].map(([, name, inner = '']) => ({
    name: name!,
    matchers: [...inner.matchAll(/(\w+)(=~?)"([^"]*)"/g)].map(([, label, how, text]) => {
      return { label: label!, matches: how === '=' ? `^${text!}$` : `^(?:${text!})$` }
    }),
  }))
}

/** The labels by which a query, or the legend of its lines, tells things apart. */
function groupsOf({ expr, legendFormat }: Target): string[] {
  const lists = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/,\s*/))
  return [...lists, ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!)]
}

/** Whether a real sample is one of those that are asked for. */
function answers({ name, labels }: Sample, asked: ReturnType<typeof selectorsOf>[number]): boolean {
  if (name !== asked.name) return false
  return asked.matchers.every(
    ({ label, matches }) =>
      OF_TARGETS.includes(label) || new RegExp(matches).test(labels[label] ?? ''),
  )
}

describe('of the metrics of a server that has worked', () => {
  let testStore: TestStore
  let server: TestServer
  let metrics: Metrics
  beforeAll(async () => {
    testStore = await openTestStore()
    // The embedded database has no pool: so would one of PostgreSQL be read.
    const connections = () => ({ idle: 1, busy: 2, waiting: 3, most: 10 })
    const store = { ...testStore.store, connections }
    const wrong = () => Promise.resolve({ status: 299 } as never)
    server = await startServer({
      allowsViolations: true,
      testStore,
      env: { METRICS_PORT: '0' },
      replacements: {
        deps: { store },
        operations: (real: Operations) => ({ ...real, getStatus: wrong }),
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

  test.each(queries)('$title is answered: $expr', ({ expr, legendFormat }) => {
    const selectors = selectorsOf(expr)
    expect(selectors).not.toEqual([])

    for (const asked of selectors) {
      const found = metrics.samples.filter((sample) => answers(sample, asked))
      expect(found, `samples of ${asked.name}`).not.toEqual([])
      for (const label of groupsOf({ expr, legendFormat })) {
        if (OF_TARGETS.includes(label)) continue
        for (const { labels } of found) expect(labels).toHaveProperty(label)
      }
    }
  })

  test('every one of ours is in the dashboard and in its guide, and the guide has no other', () => {
    const types = [...metrics.text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!)
    const ours = types.filter((name) => !/^parley_(nodejs|process)_/.test(name))
    expect(ours.length).toBeGreaterThan(10)

    const asked = new Set(queries.flatMap(({ expr }) => selectorsOf(expr).map(({ name }) => name)))
    for (const name of ours) {
      expect(
        [name, `${name}_bucket`].some((one) => asked.has(one)),
        name,
      ).toBe(true)
      expect(guide, name).toContain(`\`${name}\``)
    }

    const told = [...guide.matchAll(/`(parley_\w+)`/g)].map(([, name]) => name!)
    expect(told.filter((name) => !types.includes(name))).toEqual([])

    const inAlerts = [...guide.matchAll(/parley_\w+/g)].map(([name]) => name)
    const known = new Set([...types, ...metrics.samples.map(({ name }) => name)])
    expect(inAlerts.filter((name) => !known.has(name))).toEqual([])
  })

  test('the lists of jobs and instances are made', () => {
    const definitions = variables.flatMap(({ definition }) => definition ?? [])

    expect(definitions).toHaveLength(2)
    for (const name of definitions.flatMap((text) => text.match(/parley_\w+/g) ?? [])) {
      expect(metrics.value(name), name).toBeGreaterThan(0)
    }
  })
})

test('every panel takes the data source, the jobs and the instances that were chosen', () => {
  const names = ['datasource', 'job', 'instance']
  expect(variables.map(({ name }) => name)).toEqual(names)
  for (const panel of panels) expect(panel.datasource?.uid).toBe('${datasource}')

  for (const { expr } of queries) {
    for (const { matchers } of selectorsOf(expr)) {
      expect(matchers.map(({ label }) => label)).toEqual(expect.arrayContaining(OF_TARGETS))
    }
    const bare = expr.replaceAll(/parley_\w+|\{[^}]*\}|"[^"]*"|\[[^\]]*\]|by \([^)]*\)/g, '')
    expect((bare.match(/[a-z_]+/g) ?? []).filter((word) => !WORDS.test(word))).toEqual([])
  }
})
