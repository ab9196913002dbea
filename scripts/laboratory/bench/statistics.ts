/** The median, and the extremes, which show the noise of the machine. */
export type Spread = { median: number; least: number; most: number }

/** @throws RangeError for an empty list */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('Nothing was measured.')
  return { median: quantile(values, 0.5), least: Math.min(...values), most: Math.max(...values) }
}

/** Returns the value that this share of the values does not exceed, interpolated linearly. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)] ?? NaN
  const above = sorted[Math.ceil(at)] ?? NaN
  return below + (above - below) * (at - Math.floor(at))
}

export type Latency = { p50: number; p95: number; p99: number; count: number }

/** Returns the latency in the unit of the values. */
export function latencyOf(values: readonly number[]): Latency {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(values, share))
  return { p50: p50!, p95: p95!, p99: p99!, count: values.length }
}
