import { describe, expect, it } from 'vitest'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'
import { type Body, endOf, engineFor, failureOf, turnOf } from './negotiation.given.ts'
import { PERMANENT } from './refusals/permanent.ts'

const UNKNOWN_MODEL = PERMANENT['unknown-model']![0]

const modelListCalls = ({ calls }: TestUpstream) =>
  calls.filter(({ path }) => path === '/v1/models').length

describe('the check of an upstream that does not list its models', () => {
  it.each([
    [404, 'm', 'up'],
    [404, undefined, 'down'],
    [403, 'm', 'down'],
    [503, 'm', 'down'],
  ] as const)(
    'for the status %i and the configured model %s is %s',
    async (modelsStatus, model, result) => {
      await using upstream = await startUpstream({ modelsStatus })
      const { engine } = engineFor(upstream, { ...(model !== undefined && { model }) })

      expect(await engine.check()).toBe(result)
    },
  )

  it('is up after the upstream has answered a call', async () => {
    await using upstream = await startUpstream({ modelsStatus: 403 })
    const { engine } = engineFor(upstream, { model: 'm' })

    await endOf(engine, turnOf('Hi'))

    expect(await engine.check()).toBe('up')
  })
})

/** Refuses every model that the upstream does not list. */
const refuseUnlisted = (upstream: TestUpstream) => (body: Body) =>
  (upstream.script.models ?? []).includes(String(body['model'])) ? undefined : UNKNOWN_MODEL

describe('the first listed model', () => {
  it('is replaced by the first of a new list when the upstream no longer knows it', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))
    upstream.script = { models: ['new'], refuses: refuseUnlisted(upstream) }

    expect(await endOf(engine, turnOf('Hi'))).toMatchObject({ model: 'new' })
    expect(upstream.completions.map(({ body }) => String(body.model))).toEqual([
      'old',
      'old',
      'new',
    ])
    expect(engine.model).toBe('new')
  })

  it('is looked up once for concurrent calls that find it unknown', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))
    upstream.script = { models: ['new'], refuses: refuseUnlisted(upstream) }

    await Promise.all(Array.from({ length: 20 }, () => endOf(engine, turnOf('Hi'))))

    expect(modelListCalls(upstream)).toBe(2)
  })

  it('leads to upstream-refused without a retry when it is refused but still listed', async () => {
    await using upstream = await startUpstream({ refuses: () => UNKNOWN_MODEL })
    const { engine } = engineFor(upstream)

    expect((await failureOf(engine)).code).toBe('upstream-refused')
    expect(upstream.completions).toHaveLength(1)
    expect(modelListCalls(upstream)).toBe(2)
  })

  it('is not looked up when the operator configures a model', async () => {
    await using upstream = await startUpstream({ refuses: () => UNKNOWN_MODEL })

    await failureOf(engineFor(upstream, { model: 'm' }).engine)

    expect(upstream.calls).toHaveLength(1)
  })

  it('is still looked up for the other callers when the first one aborts', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const first = endOf(engine, turnOf('Hi'), abort.signal)
    const second = endOf(engine, turnOf('Hi'))
    await until(() => upstream.calls.length === 1)
    const reason = new Error('the caller left')

    abort.abort(reason)
    await expect(first).rejects.toBe(reason)
    upstream.release()

    expect((await second).type).toBe('end')
    expect(modelListCalls(upstream)).toBe(1)
  })

  it('stops being looked up when every caller has aborted', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const reason = new Error('the caller left')
    const first = endOf(engine, turnOf('Hi'), abort.signal)
    await until(() => upstream.calls.length === 1)

    abort.abort(reason)

    await expect(first).rejects.toBe(reason)
    await upstream.calls[0]!.closed
    expect(upstream.calls[0]!.aborted).toBe(true)
    upstream.script = {}
    expect((await endOf(engine, turnOf('Hi'))).type).toBe('end')
  })
})
