/** One line of what Prometheus reads. */
export type Sample = { name: string; labels: Record<string, string>; value: number }

/** Everything that a server shows to Prometheus. */
export type Metrics = {
  text: string
  samples: Sample[]
  /** The only sample of this name that has these labels; 0 where there is none yet. */
  value: (name: string, labels?: Record<string, string>) => number
}

/** Reads `/metrics` as Prometheus does. */
export async function readMetrics(url: string): Promise<Metrics> {
  const response = await fetch(url)
  if (response.status !== 200) throw new Error(`${url} answers ${response.status}`)
  const text = await response.text()
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const samples = lines.map(parseSample)
  return {
    text,
    samples,
    value(name, labels = {}) {
      const found = samples.filter((sample) => sample.name === name && has(sample, labels))
      if (found.length > 1) throw new Error(`${found.length} samples are ${name}`)
      return found[0]?.value ?? 0
    },
  }
}

function has(sample: Sample, labels: Record<string, string>): boolean {
  return Object.entries(labels).every(([name, value]) => sample.labels[name] === value)
}

function parseSample(line: string): Sample {
  const [, name = '', inner = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  if (name === '') throw new Error(`not a sample: ${line}`)
  const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [
    key,
    text,
  ])
  return {
    name,
    labels: Object.fromEntries(labels) as Record<string, string>,
    value: Number(value),
  }
}
