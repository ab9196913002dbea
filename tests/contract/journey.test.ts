import { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import supertest from 'supertest'
import { expect, test } from 'vitest'
import { createServer } from '../../src/http/connection/server.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'

/* Fails when a new version of Express makes a shortcut of request handling wrong. */

test('requests and responses already have the prototypes that Express sets', async () => {
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

  const response = await supertest(server).get('/')

  expect(seen).toEqual([true, true, true, true, true, true])
  expect(response.headers['content-type']).toBe('application/json')
  expect(response.body).toEqual({ text: '한글' })
})
