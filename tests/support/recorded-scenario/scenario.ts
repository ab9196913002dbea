import { adaTalks, adaTidiesUp } from './conversations.ts'
import type { Exchange } from './exchange.ts'
import { everythingGoesWrong } from './mishaps.ts'
import { officeCloses, officeOpens } from './office.ts'
import { adaArrives, adaLeaves } from './people.ts'
import { openStage, type Staging } from './recorder.ts'

/**
 * The story of Ada: every operation is called the way it is meant to be, and everything that can go
 * wrong goes wrong once. The same in every telling, so that what it shows can stand in the contract.
 */
export async function tellStory(staging: Staging = {}): Promise<Exchange[]> {
  const stage = await openStage(staging)
  try {
    const ada = await adaArrives(stage)
    await adaTalks(stage, ada)
    const office = await officeOpens(stage)
    await officeCloses(stage, office)
    await adaTidiesUp(stage, ada)
    await adaLeaves(stage, ada)
    await everythingGoesWrong(
      stage,
      await stage.enter('admin@example.com', 'the admin of the tests'),
    )
    return stage.exchanges
  } finally {
    await stage.close()
  }
}
