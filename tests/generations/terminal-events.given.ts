import { expect } from 'vitest'
import type { WireEvent } from '../support/wire/stream.ts'

const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

export const isTerminal = ({ name }: WireEvent) => TERMINAL.has(name)

/** Returns the last event after checking that it is the only terminal one. */
export function terminalEventOf(events: readonly WireEvent[]): WireEvent {
  expect(events.filter(isTerminal)).toEqual([events.at(-1)])
  return events.at(-1)!
}

/** Checks that the events are numbered without gaps, from start to the only terminal one. */
export function expectComplete(events: readonly WireEvent[], generationId: string): void {
  expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => `${generationId}:${i + 1}`))
  expect(events[0]!.name).toBe('message.start')
  terminalEventOf(events)
}
