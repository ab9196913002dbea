import { locationOf } from '../../src/contract/locations.ts'
import type { Reply } from '../../src/contract/types.ts'
import type { Call } from '../../src/domain/calls/call.ts'
import type { Group, Operations } from '../../src/operations/operation.ts'

/*
 * Mistakes that the compiler refuses. `npm run check` compiles this file: where an expected error is
 * no longer one, "unused @ts-expect-error" fails the check.
 */

declare const operations: Operations
declare const conversation: Extract<Reply<'createConversation'>, { status: 201 }>['body']

export function missingOperation(): Operations {
  const { getHealth: _left, ...rest } = operations
  // @ts-expect-error -- getHealth is missing
  return rest
}

export function misspeltOperation(): Operations {
  const { getHealth, ...rest } = operations
  // @ts-expect-error -- it is called getHealth
  return { ...rest, getHaelth: getHealth }
}

export function wrongBody(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- the status of health is 'up'
    getHealth: async () => ({ status: 200, body: { status: 'fine' } }),
  }
}

export function undocumentedStatus(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- health never returns 201
    getHealth: async () => ({ status: 201, body: { status: 'up' } }),
  }
}

export function returnedProblem(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- problems are thrown, so that one place turns all of them into responses
    getConversation: async () => ({ status: 404, body: { code: 'not-found' } }),
  }
}

export function bodyOfStatus204(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- 204 has no body
    logOut: async () => ({ status: 204, body: {} }),
  }
}

export function missingHeader(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- a created conversation has an ETag and a Location
    createConversation: async () => ({ status: 201, headers: { ETag: '"1"' }, body: conversation }),
  }
}

export function callerOfPublicOperation(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- the caller of a public operation is null
    logIn: async (_input, caller) => ({ status: 200, body: { id: caller.id } }),
  }
}

export function unknownParameter(): Operations {
  return {
    ...operations,
    getConversation: async ({ path }) => {
      // @ts-expect-error -- the path has a conversationId and nothing else
      throw new Error(path.messageId)
    },
  }
}

export function streamOfJson(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- the body of a stream is frames
    streamMessage: async () => ({ status: 200, body: { type: 'message.delta', text: 'Hello' } }),
  }
}

export function handlerOfMovedOperation(): Operations {
  // @ts-expect-error -- the old health check is a redirect without a handler
  return { ...operations, testServer: async () => ({ status: 308 }) } satisfies Operations
}

export function replayWithoutIdempotencyKey(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- health supports no Idempotency-Key, so no reply is replayed
    getHealth: async () => ({ status: 200, body: { status: 'up' }, replayed: true }),
  }
}

export function groupWithoutHandler(group: Group<'feedback'>): Group<'feedback'> {
  const { listFeedback: _left, ...rest } = group
  // @ts-expect-error -- listFeedback is missing
  return rest
}

export function handlerOfAnotherTag(group: Group<'feedback'>): Group<'feedback'> {
  // @ts-expect-error -- health has the tag system
  return { ...group, getHealth: operations.getHealth }
}

export function locationWithoutId(): string {
  // @ts-expect-error -- the path has a conversationId
  return locationOf('getConversation')
}

export function changedCall(call: Call): void {
  // @ts-expect-error -- an operation returns its result and does not write it into the call
  call.resourceId = 'another'
}
