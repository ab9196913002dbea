import { adaTalks, adaTidiesUp } from './conversations.ts'
import type { Exchange } from './exchange.ts'
import { everythingGoesWrong } from './failures.ts'
import { officeCloses, officeOpens } from './administration.ts'
import { adaArrives, adaLeaves } from './account.ts'
import { openScenario, type ScenarioOptions } from './recorder.ts'

/**
 * Plays the scenario: calls every operation successfully and provokes every documented failure once. Each
 * run has the same responses, so that they can be the examples of the contract.
 */
export async function recordScenario(options: ScenarioOptions = {}): Promise<Exchange[]> {
  const scenario = await openScenario(options)
  try {
    const ada = await adaArrives(scenario)
    await adaTalks(scenario, ada)
    const office = await officeOpens(scenario)
    await officeCloses(scenario, office)
    await adaTidiesUp(scenario, ada)
    await adaLeaves(scenario, ada)
    await everythingGoesWrong(
      scenario,
      await scenario.enter('admin@example.com', 'the admin of the tests'),
    )
    return scenario.exchanges
  } finally {
    await scenario.close()
  }
}
