import type { ChatStreamEvent } from '../../generated/api.ts'
import type { Frame } from '../contract/types.ts'
import type { Call } from '../domain/calls/call.ts'
import { eventIdOf } from '../domain/chat/event-ids.ts'
import type { Streamed } from '../domain/chat/generations.ts'
import type { Problem } from '../domain/problem.ts'
import type { Principal } from '../domain/principal.ts'
import type { Services } from '../domain/services.ts'
import { chatReplyView, chatStreamEventView } from '../views/chat.ts'
import { generationView } from '../views/generation.ts'
import { messageView } from '../views/message.ts'
import type { Group } from './operation.ts'

export const chatOperations = ({ generations, openStreams, callerWatch }: Services) => {
  /** The events of a stream as frames, for as long as the client listens and may. */
  async function* framesOf(
    { id, events, stop }: Streamed,
    caller: Principal,
    call: Call,
  ): AsyncGenerator<Frame<ChatStreamEvent>> {
    const watch = callerWatch.begin(caller)
    let lastSeq = 0
    let isOver = false
    try {
      for await (const { seq, event } of events(AbortSignal.any([call.hungUp, watch.ended]))) {
        lastSeq = seq
        isOver = event.type === 'end'
        yield { id: eventIdOf(id, seq), event: chatStreamEventView(id, event, call) }
      }
      if (isOver || !watch.ended.aborted) return
      stop?.()
      const event = { type: 'end', problem: watch.ended.reason as Problem } as const
      // Not an event of the generation: whoever comes back goes on behind the last one.
      yield { id: eventIdOf(id, lastSeq), event: chatStreamEventView(id, event, call) }
    } finally {
      watch.stop()
    }
  }

  return {
    async sendMessage({ body }, caller, call) {
      return { status: 200, body: chatReplyView(await generations.answer(caller, body, call)) }
    },

    async streamMessage({ body }, caller, call) {
      await openStreams.take(caller, call)
      const streamed =
        call.joins === undefined
          ? await generations.stream(caller, body, call)
          : await generations.attach(caller, call.joins)
      if (call.joins !== undefined) call.isReplay = true
      return { status: 200, frames: framesOf(streamed, caller, call) }
    },

    async getGeneration({ path }, caller) {
      const generation = await generations.read(caller, path.generationId)
      return { status: 200, body: generationView(generation) }
    },

    async cancelGeneration({ path }, caller) {
      const message = await generations.cancel(caller, path.generationId)
      return { status: 200, body: messageView(message) }
    },

    async resumeStream({ path, headers }, caller, call) {
      await openStreams.take(caller, call)
      const id = path.generationId.toLowerCase()
      const events = await generations.resume(caller, id, headers['Last-Event-ID'])
      if (!events) return { status: 204 }
      return { status: 200, frames: framesOf({ id, events }, caller, call) }
    },
  } satisfies Group<'chat'>
}
