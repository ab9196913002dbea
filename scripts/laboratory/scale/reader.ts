/** The process of the readers: requests many large responses concurrently and reads them all. */
import { Agent, request } from 'node:http'
import { answerQuestions } from '../bench/worker.ts'

export type ReadQuestion = { origin: string; calls: readonly { path: string; token: string }[] }
/** The number of responses by status, the megabytes read, and the seconds until the last one ended. */
export type Read = { statuses: Record<string, number>; mb: number; seconds: number }

const LONGEST_WAIT_MS = 120_000
const BYTES_OF_MB = 1e6
const alone = new Agent({ keepAlive: false })

answerQuestions(async ({ origin, calls }: ReadQuestion): Promise<Read> => {
  const startedAtMs = performance.now()
  const answers = await Promise.all(calls.map(({ path, token }) => readWhole(origin + path, token)))
  const statuses: Record<string, number> = {}
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1
  const mb = answers.reduce((sum, { bytes }) => sum + bytes, 0) / BYTES_OF_MB
  return { statuses, mb, seconds: (performance.now() - startedAtMs) / 1_000 }
})

function readWhole(url: string, token: string): Promise<{ status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    const call = request(url, { agent: alone, headers })
    call.setTimeout(LONGEST_WAIT_MS, () => call.destroy(new Error('Nothing came.')))
    call.on('error', reject).on('response', (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => (bytes += chunk.length))
      response.on('error', reject).on('end', () => {
        resolve({ status: response.statusCode!, bytes })
      })
    })
    call.end()
  })
}
