/*
 * The upper bound: node:http alone, which sends Parley's recorded responses and does nothing else. ANSWERS
 * names a file of {"GET /path": {status, headers, body}}.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const answers = new Map(Object.entries(JSON.parse(readFileSync(process.env.ANSWERS, 'utf8'))))

createServer((req, res) => {
  const answer = answers.get(`${req.method} ${req.url}`)
  if (!answer) {
    res.writeHead(404).end()
    return
  }
  res.writeHead(answer.status, answer.headers)
  res.end(answer.body)
}).listen(Number(process.env.PORT), '127.0.0.1')
