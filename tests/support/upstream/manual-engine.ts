import type { ChatRequest } from '../../../generated/api.ts'
import { createDeferred } from '../../../src/lib/deferred.ts'
import type { Engine, EngineEnd, EnginePart, TokenUsage, Turn } from '../../../src/engine/engine.ts'
import type { Client } from '../client.ts'
import { openStream } from '../wire/stream.ts'

const MODEL = 'held-1'

/** One answer that the test makes, piece by piece. */
export type ManualTurn = {
  turn: Turn
  /** What the server stops it by. */
  signal: AbortSignal
  say(text: string): void
  end(usage?: TokenUsage, said?: Partial<EngineEnd>): void
  fail(error: unknown): void
}

/** An engine that says nothing until the test lets it. */
export type ManualEngine = Engine & {
  /** The next question that no test has taken yet; waits for it. */
  next(): Promise<ManualTurn>
  /** Every question so far. */
  turns: ManualTurn[]
}

export function createManualEngine(): ManualEngine {
  const turns: ManualTurn[] = []
  let taken = 0
  let asked = createDeferred<undefined>()
  return {
    kind: 'builtin',
    model: MODEL,
    ruleBased: true,
    turns,
    async *answer(turn, signal) {
      const { held, parts } = holdTurn(turn, signal)
      turns.push(held)
      asked.resolve(undefined)
      asked = createDeferred()
      yield* parts
    },
    check: () => Promise.resolve('up'),
    async next() {
      const index = taken++
      while (turns.length <= index) await asked.promise
      return turns[index]!
    },
  }
}

function holdTurn(turn: Turn, signal: AbortSignal) {
  const steps: (() => EnginePart)[] = []
  let wake = createDeferred<undefined>()
  const push = (step: () => EnginePart) => {
    steps.push(step)
    wake.resolve(undefined)
  }
  const held: ManualTurn = {
    turn,
    signal,
    say(text) {
      push(() => ({ type: 'text', text }))
    },
    end(usage, said) {
      push(() => ({ type: 'end', model: MODEL, ...(usage && { usage }), ...said }))
    },
    fail(error) {
      push(() => {
        throw error
      })
    },
  }
  async function* parts(): AsyncGenerator<EnginePart> {
    signal.addEventListener('abort', () => {
      wake.resolve(undefined)
    })
    for (;;) {
      signal.throwIfAborted()
      const step = steps.shift()
      if (step) {
        const part = step()
        yield part
        if (part.type === 'end') return
      } else {
        wake = createDeferred()
        if (!signal.aborted) await wake.promise
      }
    }
  }
  return { held, parts: parts() }
}

/** A stream whose answer has begun with `firstWords` and waits for the test to go on. */
export async function openManualStream(
  engine: ManualEngine,
  client: Client,
  { firstWords = 'Hello', ...request }: Partial<ChatRequest> & { firstWords?: string } = {},
) {
  const opening = openStream(client, { message: 'Hi', ...request })
  const turn = await engine.next()
  turn.say(firstWords)
  const stream = await opening
  const first = await stream.next()
  const delta = await stream.next()
  if (first?.event.type !== 'message.start' || delta?.event.type !== 'message.delta') {
    throw new Error(`The stream began with ${String(first?.name)}, ${String(delta?.name)}`)
  }
  return { turn, stream, start: first.event, begun: [first, delta] }
}
