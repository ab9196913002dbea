import { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import supertest from 'supertest'
import { expect, test } from 'vitest'
import { createServer } from '../../src/http/connection/server.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'

/*
 * The shortcuts of the journey, each with the guard that says when a new version of a package
 * has made it wrong.
 */

test('Express finds nothing to change about the prototypes of a request and a response', async () => {
  const app = express()
  const seen: boolean[] = []
  app.get('/', (req, res) => {
    seen.push(Object.getPrototypeOf(req) === app.request)
    seen.push(Object.getPrototypeOf(res) === app.response)
    seen.push(req instanceof IncomingMessage, res instanceof ServerResponse)
    seen.push(typeof req.accepts === 'function', typeof res.status === 'function')
    res.json({ text: '한글' })
  })
  const journey = { handler: app, refuse: app, beforeHead: () => undefined }
  const { server } = createServer(journey, { clock: systemClock })

  const answer = await supertest(server).get('/')

  expect(seen).toEqual([true, true, true, true, true, true])
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.body).toEqual({ text: '한글' })
})
