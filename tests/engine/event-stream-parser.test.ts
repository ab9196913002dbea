import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EventStreamParser,
  EventTooLarge,
  type ServerSentEvent,
} from '../../src/engine/upstream/response/event-stream-parser.ts'

function readEvents(...pieces: (string | Uint8Array)[]): ServerSentEvent[] {
  const parser = new EventStreamParser()
  const encoder = new TextEncoder()
  return pieces.flatMap((p) => parser.push(typeof p === 'string' ? encoder.encode(p) : p))
}

function read(...pieces: (string | Uint8Array)[]): string[] {
  return readEvents(...pieces).map(({ data }) => data)
}

describe('EventStreamParser', () => {
  it('accepts LF, CR and CRLF as the end of a line', () => {
    expect(read('data: a\n\ndata: b\r\rdata: c\r\n\r\n')).toEqual(['a', 'b', 'c'])
  })

  it('joins the data lines of one event with a line feed', () => {
    expect(read('data: a\ndata:b\ndata\ndata:  c\n\n')).toEqual(['a\nb\n\n c'])
  })

  it('ignores comments, other fields, unknown names and events with neither data nor name', () => {
    expect(read(': ping\n\nid: 3\nretry: 1\ndatum: no\n\ndata: yes\n\n')).toEqual(['yes'])
  })

  it('returns each event with its own name, also one with a name alone', () => {
    expect(readEvents('event: error\n\nevent:x\nevent: y\ndata: a\n\ndata: b\n\n')).toEqual([
      { name: 'error', data: '' },
      { name: 'y', data: 'a' },
      { name: '', data: 'b' },
    ])
  })

  it('drops an event that is incomplete at the end of the stream', () => {
    expect(read('data: whole\n\ndata: cut')).toEqual(['whole'])
  })

  it('returns the same events wherever the bytes are split, also inside characters and line ends', () => {
    const stream = new TextEncoder().encode(
      ': hi\r\n\r\ndata: 안녕 😀\r\ndata: é\r\n\r\ndata: [DONE]\n\ndata: x\r\r',
    )
    const cuts = fc.array(fc.nat(stream.length), { maxLength: 12 })

    fc.assert(
      fc.property(cuts, (at) => {
        const edges = [0, ...at.sort((a, b) => a - b), stream.length]
        const pieces = edges.slice(1).map((end, index) => stream.subarray(edges[index], end))
        expect(read(...pieces)).toEqual(['안녕 😀\né', '[DONE]', 'x'])
      }),
    )

    expect(read(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(read(stream))
  })

  it('throws EventTooLarge beyond 1 MB, for one line and for several', () => {
    const half = `data: ${'x'.repeat(600 * 1024)}`

    expect(() => read(half, half)).toThrow(EventTooLarge)
    expect(() => read(`${half}\n`, `${half}\n`)).toThrow(EventTooLarge)
    expect(() => read(`event: ${half}\n`, `${half}\n`)).toThrow(EventTooLarge)
    expect(read(`${half}\n\n`, `${half}\n\n`)).toHaveLength(2)
  })

  it('reads an event of 300 kB that arrives byte by byte', () => {
    const bytes = new TextEncoder().encode(`data: ${'x'.repeat(300_000)}\n\n`)
    const parser = new EventStreamParser()

    const events = [...bytes].flatMap((byte) => parser.push(Uint8Array.of(byte)))

    expect(events[0]!.data).toHaveLength(300_000)
  })
})
