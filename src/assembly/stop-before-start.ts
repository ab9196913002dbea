const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Ends a start at its first signal. The first process of a container ignores signals that it does not
 * listen to: `docker stop` would wait for its whole timeout, and the server would start to serve in
 * the meantime. Whatever a start makes is made whole or not at all, so it may end anywhere.
 */
function end(): never {
  process.stderr.write('Parley was stopped before it started.\n')
  process.exit(1)
}

for (const signal of SIGNALS) process.on(signal, end)

/** Leaves the signals to `main.ts`. */
export function startIsOver(): void {
  for (const signal of SIGNALS) process.off(signal, end)
}
