import { chatAsAda, deleteAdasConversations } from './conversations.ts'
import type { Exchange } from './exchange.ts'
import { provokeFailures } from './failures.ts'
import { deleteAccounts, createAccounts } from './administration.ts'
import { registerAda, closeAdasAccount } from './account.ts'
import { openScenario, type ScenarioOptions } from './recorder.ts'

/**
 * Plays the scenario: calls every operation successfully and provokes every documented failure once. Each
 * run has the same responses, so that they can be the examples of the contract.
 */
export async function recordScenario(options: ScenarioOptions = {}): Promise<Exchange[]> {
  const scenario = await openScenario(options)
  try {
    const ada = await registerAda(scenario)
    await chatAsAda(scenario, ada)
    const office = await createAccounts(scenario)
    await deleteAccounts(scenario, office)
    await deleteAdasConversations(scenario, ada)
    await closeAdasAccount(scenario, ada)
    await provokeFailures(
      scenario,
      await scenario.logIn('admin@example.com', 'the admin of the tests'),
    )
    return scenario.exchanges
  } finally {
    await scenario.close()
  }
}
