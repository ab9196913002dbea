const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Ends a start at its first signal. The first process of a container ignores what it does not listen
 * to: `docker stop` would wait for its whole patience, and the server begin to serve meanwhile. What a
 * start has made is whole or not there, so it may end anywhere.
 */
function end(): never {
  process.stderr.write('Parley was stopped before it started.\n')
  process.exit(1)
}

for (const signal of SIGNALS) process.on(signal, end)

/** From now on, somebody else listens to the signals. */
export function startIsOver(): void {
  for (const signal of SIGNALS) process.off(signal, end)
}
