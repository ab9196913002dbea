import { locationOf } from '../../src/contract/locations.ts'
import type { Reply } from '../../src/contract/types.ts'
import type { Call } from '../../src/domain/calls/call.ts'
import type { Group, Operations } from '../../src/operations/operation.ts'

/*
 * What the compiler refuses. `npm run check` compiles this file: where an error that is expected
 * here stops being one, "unused @ts-expect-error" fails the check.
 */

declare const operations: Operations
declare const conversation: Extract<Reply<'createConversation'>, { status: 201 }>['body']

export function aMissingOperation(): Operations {
  const { getHealth: _left, ...rest } = operations
  // @ts-expect-error -- getHealth is missing
  return rest
}

export function aMisspeltOperation(): Operations {
  const { getHealth, ...rest } = operations
  // @ts-expect-error -- it is called getHealth
  return { ...rest, getHaelth: getHealth }
}

export function aWrongBody(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- the status of health is 'up'
    getHealth: async () => ({ status: 200, body: { status: 'fine' } }),
  }
}

export function anUndocumentedStatus(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- health never answers 201
    getHealth: async () => ({ status: 201, body: { status: 'up' } }),
  }
}

export function aProblemThatIsReturned(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- problems are thrown, so that every one goes through the same funnel
    getConversation: async () => ({ status: 404, body: { code: 'not-found' } }),
  }
}

export function aBodyOnA204(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- 204 has no body
    logOut: async () => ({ status: 204, body: {} }),
  }
}

export function aHeaderThatIsLeftOut(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- a created conversation says its ETag and its Location
    createConversation: async () => ({ status: 201, headers: { ETag: '"1"' }, body: conversation }),
  }
}

export function aPublicOperationThatReadsItsCaller(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- whoever logs in is nobody yet: the caller is null
    logIn: async (_input, caller) => ({ status: 200, body: { id: caller.id } }),
  }
}

export function anUnknownParameter(): Operations {
  return {
    ...operations,
    getConversation: async ({ path }) => {
      // @ts-expect-error -- the path has a conversationId and nothing else
      throw new Error(path.messageId)
    },
  }
}

export function aStreamThatAnswersJson(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- the stream answers frames
    streamMessage: async () => ({ status: 200, body: { type: 'message.delta', text: 'Hello' } }),
  }
}

export function anOperationThatMoved(): Operations {
  // @ts-expect-error -- the old health check only says where it moved; it has no handler
  return { ...operations, testServer: async () => ({ status: 308 }) } satisfies Operations
}

export function aReplayOfAnOperationThatTakesNoKey(): Operations {
  return {
    ...operations,
    // @ts-expect-error -- health honours no Idempotency-Key, so nothing of it is replayed
    getHealth: async () => ({ status: 200, body: { status: 'up' }, replayed: true }),
  }
}

export function aGroupThatLacksAHandler(group: Group<'feedback'>): Group<'feedback'> {
  const { listFeedback: _left, ...rest } = group
  // @ts-expect-error -- listFeedback is missing
  return rest
}

export function aGroupWithAHandlerOfAnotherTag(group: Group<'feedback'>): Group<'feedback'> {
  // @ts-expect-error -- health has the tag system
  return { ...group, getHealth: operations.getHealth }
}

export function aLocationWithoutItsId(): string {
  // @ts-expect-error -- the path has a conversationId
  return locationOf('getConversation')
}

export function aCallThatIsChanged(call: Call): void {
  // @ts-expect-error -- an operation returns what it finds out
  call.resourceId = 'another'
}
