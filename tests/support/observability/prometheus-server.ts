import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../wire/free-port.ts'
import { until } from '../clock/until.ts'

/** Whether this machine can start a Prometheus. */
export const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0

/** One line of an answer: its labels, and the value of now. */
export type PrometheusSample = { metric: Record<string, string>; value: [number, string] }

/** A Prometheus of a test's own, which looks at one target every second. */
export type PrometheusServer = {
  /** What a query answers now. @throws with what Prometheus says of a query that it refuses */
  query(expr: string): Promise<PrometheusSample[]>
  /** Ends it and removes its data. */
  close(): Promise<void>
}

/** @param target the address of `/metrics` */
export async function startPrometheus(target: string): Promise<PrometheusServer> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-prometheus-'))
  const port = await freePort()
  await writeFile(join(directory, 'prometheus.yml'), configuration(new URL(target)))
  const options = [
    `--config.file=${join(directory, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${String(port)}`,
  ]
  const child = spawn('prometheus', options, { cwd: directory, stdio: 'ignore' })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${String(port)}`
  const isReady = () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  await until(isReady, 60_000)
  return {
    async query(expr) {
      const answer = await fetch(`${url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expr }),
      })
      const body = (await answer.json()) as Answer
      if (body.status !== 'success') throw new Error(`${expr}: ${String(body.error)}`)
      return body.data!.result
    },
    async close() {
      child.kill('SIGKILL')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type Answer = { status: string; error?: string; data?: { result: PrometheusSample[] } }

function configuration({ host, pathname }: URL): string {
  return `global: { scrape_interval: 1s }
scrape_configs:
  - job_name: parley
    metrics_path: ${pathname}
    static_configs: [{ targets: ['${host}'] }]
`
}
