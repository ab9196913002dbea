import { randomUUID } from 'node:crypto'
import { openStore } from '../../src/store/store.ts'

/** The process of embedded.test.ts: writes accounts into a directory until it is killed. */
const [, , dataDir] = process.argv
if (dataDir === undefined) throw new Error('Usage: endless-writer.ts <dataDir>')
const { accounts } = await openStore({ dataDir })
for (;;) {
  const id = randomUUID()
  await accounts.create({ id, role: 'service', displayName: 'Row', now: new Date(0) })
  console.log(id)
}
