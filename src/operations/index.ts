import type { Services } from '../domain/services.ts'
import { adminOperations } from './admin.ts'
import { authOperations } from './auth.ts'
import { chatOperations } from './chat.ts'
import { conversationOperations } from './conversations.ts'
import { feedbackOperations } from './feedback.ts'
import type { Operations } from './operation.ts'
import { systemOperations } from './system.ts'
import { userOperations } from './users.ts'

/** The handlers of every operation. It does not compile if one is missing. */
export function createOperations(services: Services): Operations {
  return {
    ...systemOperations(services),
    ...authOperations(services),
    ...conversationOperations(services),
    ...chatOperations(services),
    ...feedbackOperations(services),
    ...userOperations(services),
    ...adminOperations(services),
  }
}
