import type { ChatStreamEvent } from '../../generated/api.ts'
import type { Frame, Group } from '../contract/types.ts'
import type { Call } from '../domain/call.ts'
import type { GenerationRun } from '../domain/generation-run.ts'
import type { Services } from '../domain/services.ts'
import { chatReplyView, chatStreamEventView } from '../views/chat.ts'

export const chatOperations = ({ generations }: Services) =>
  ({
    async sendMessage({ body }, caller, call) {
      const { run, message, usage } = await generations.answer(caller, body, call)
      const { id: generationId, userMessage } = run
      return { status: 200, body: chatReplyView({ generationId, userMessage, message, usage }) }
    },

    async streamMessage({ body }, caller, call) {
      const run = await generations.stream(caller, body, call)
      return { status: 200, frames: framesOf(run, call) }
    },
  }) satisfies Group<'sendMessage' | 'streamMessage'>

/** The events of a generation as frames, for as long as the client listens. */
async function* framesOf(run: GenerationRun, call: Call): AsyncGenerator<Frame<ChatStreamEvent>> {
  for await (const { seq, event } of run.log.read(call.hungUp)) {
    yield { id: `${run.id}:${seq}`, event: chatStreamEventView(run.id, event, call) }
  }
}
