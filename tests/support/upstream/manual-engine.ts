import type { ChatRequest } from '../../../generated/api.ts'
import { createDeferred } from '../../../src/lib/deferred.ts'
import type { Engine, EngineEnd, EnginePart, TokenUsage, Turn } from '../../../src/engine/engine.ts'
import type { Client } from '../client.ts'
import { openStream } from '../wire/stream.ts'

const MODEL = 'held-1'

/** One answer, which the test produces piece by piece. */
export type ManualTurn = {
  turn: Turn
  /** Aborted when the server stops the answer. */
  signal: AbortSignal
  say(text: string): void
  end(usage?: TokenUsage, said?: Partial<EngineEnd>): void
  fail(error: unknown): void
}

/** An engine whose answers the test produces. */
export type ManualEngine = Engine & {
  /** Resolves with the next answer that the server requests. */
  next(): Promise<ManualTurn>
  /** Every answer requested so far. */
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

/** Opens a stream whose answer starts with `firstWords` and continues when the test says so. */
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
