import type { Operations } from '../contract/types.ts'
import type { Services } from '../domain/services.ts'
import { adminOperations } from './admin.ts'
import { authOperations } from './auth.ts'
import { chatOperations } from './chat.ts'
import { conversationOperations } from './conversations.ts'
import { feedbackOperations } from './feedback.ts'
import { serviceAccountOperations } from './service-accounts.ts'
import { systemOperations } from './system.ts'
import { userOperations } from './users.ts'

/** Every operation of the contract. It does not compile if one is missing. */
export function createOperations(services: Services): Operations {
  return {
    ...systemOperations(services),
    ...authOperations(services),
    ...conversationOperations(services),
    ...chatOperations(services),
    ...feedbackOperations(services),
    ...userOperations(services),
    ...adminOperations(services),
    ...serviceAccountOperations(services),
  }
}
