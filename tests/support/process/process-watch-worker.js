/** Asks a server for its health, at fixed times whatever the answers do, and looks at its memory. */
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

const EVERY_MS = 50
const { url, pid } = workerData

/**
 * For how long the threads of both sides were ready to run and had no core: what another program does
 * on this machine is no fault of the server's. Milliseconds; 0 where the system does not tell.
 */
function heldUpMs() {
  return [`/proc/${pid}/task/${pid}/schedstat`, '/proc/thread-self/schedstat']
    .filter((file) => existsSync(file))
    .map((file) => Number(readFileSync(file, 'utf8').split(' ')[1]) / 1e6)
    .reduce((sum, ms) => sum + ms, 0)
}

const seen = { waitsMs: [], failures: [], mostBytes: 0 }
const pending = new Set()

function ask() {
  return new Promise((resolve) => {
    const begun = performance.now() - heldUpMs()
    const sent = request(url, { agent: false }, (response) => {
      response.resume().once('end', () => {
        seen.waitsMs.push(performance.now() - heldUpMs() - begun)
        if (response.statusCode !== 200) seen.failures.push(String(response.statusCode))
        resolve()
      })
    })
    sent.once('error', (error) => {
      seen.failures.push(error.message)
      resolve()
    })
    sent.end()
  })
}

function measureMemory() {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1])
  seen.mostBytes = Math.max(seen.mostBytes, bytes)
  return bytes
}

const firstBytes = measureMemory()
const watching = setInterval(() => {
  measureMemory()
  const asked = ask().then(() => pending.delete(asked))
  pending.add(asked)
}, EVERY_MS)

parentPort.once('message', async () => {
  clearInterval(watching)
  await Promise.all(pending)
  parentPort.postMessage({ ...seen, firstBytes })
})
