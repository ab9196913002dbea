type Waiting<Item, Result> = {
  item: Item
  resolve: (result: Result) => void
  reject: (error: unknown) => void
}

/** Measured: with one request, calls wait for each other; with more than two, batches stay small. */
const MAX_REQUESTS = 2
/** Items of one request: a statement of that many calls takes PostgreSQL a few milliseconds. */
const MAX_ITEMS = 100

/**
 * Sends items in two requests at a time: an item is sent at once if it can be, and those that come
 * while both are in progress share the next. A quiet server is asked at once, a busy one less often.
 * @param send one request; resolves with a result for each item, in the same order
 * @returns sends one item and resolves with its result; rejects if its request fails
 */
export function createBatching<Item, Result>(
  send: (items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = []
  let requests = 0

  const sendWaiting = async (): Promise<void> => {
    requests += 1
    while (waiting.length > 0) await sendBatch(waiting.splice(0, MAX_ITEMS), send)
    requests -= 1
  }
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (requests < MAX_REQUESTS) void sendWaiting()
    })
}

/** Never rejects: a failure goes to every item of the batch. */
async function sendBatch<Item, Result>(
  batch: readonly Waiting<Item, Result>[],
  send: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<void> {
  try {
    const results = await send(batch.map(({ item }) => item))
    batch.forEach(({ resolve }, i) => resolve(results[i]!))
  } catch (error) {
    batch.forEach(({ reject }) => reject(error))
  }
}
