import type { Call } from '../domain/calls/call.ts'
import { type AnswerStream, permittedEvents } from '../domain/chat/answer-stream.ts'
import type { Principal } from '../domain/access/principal.ts'
import type { Services } from '../domain/services.ts'
import { chatFrameViews, chatReplyView } from '../views/chat.ts'
import { generationView } from '../views/generation.ts'
import { messageView } from '../views/message.ts'
import type { Group } from './operation.ts'

export const chatOperations = ({ generations, openStreams, accessMonitor }: Services) => {
  const framesOf = (stream: AnswerStream, caller: Principal, call: Call) => {
    const watch = () => accessMonitor.watch(caller)
    const events = permittedEvents(stream, { hungUp: call.hungUp, watch })
    return chatFrameViews(stream.generationId, events, call)
  }

  return {
    async sendMessage({ body }, caller, call) {
      const answer = await generations.answer(caller, body, call)
      return { status: 200, body: chatReplyView(answer), ...replayed(answer) }
    },

    async streamMessage({ body }, caller, call) {
      await openStreams.take(caller, call)
      const stream = await generations.stream(caller, body, call)
      return { status: 200, frames: framesOf(stream, caller, call), ...replayed(stream) }
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
      const stream = await generations.resume(caller, path.generationId, headers['Last-Event-ID'])
      if (!stream) return { status: 204 }
      return { status: 200, frames: framesOf(stream, caller, call) }
    },
  } satisfies Group<'chat'>
}

function replayed({ isReplay }: { isReplay: boolean }): { replayed?: true } {
  return isReplay ? { replayed: true } : {}
}
