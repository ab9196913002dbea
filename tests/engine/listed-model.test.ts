import { describe, expect, it } from 'vitest'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'
import { FOR_GOOD } from './refusals.ts'
import { type Body, endOf, engineFor, failureOf, turnOf } from './negotiation.given.ts'

const askedModels = ({ calls }: TestUpstream) =>
  calls.filter(({ path }) => path === '/v1/models').length

describe('the check of an upstream that keeps its list to itself', () => {
  it.each([
    [404, 'm', 'up'],
    [404, undefined, 'down'],
    [403, 'm', 'down'],
    [503, 'm', 'down'],
  ] as const)('(%i, with the model %s) is %s', async (modelsStatus, model, result) => {
    await using upstream = await startUpstream({ modelsStatus })
    const { engine } = engineFor(upstream, { ...(model !== undefined && { model }) })

    expect(await engine.check()).toBe(result)
  })

  it('is up once it has answered a call', async () => {
    await using upstream = await startUpstream({ modelsStatus: 403 })
    const { engine } = engineFor(upstream, { model: 'm' })

    await endOf(engine, turnOf('Hi'))

    expect(await engine.check()).toBe('up')
  })
})

/** Knows the models that it lists, and no other. */
const knowsItsList = (upstream: TestUpstream) => (body: Body) =>
  (upstream.script.models ?? []).includes(String(body['model']))
    ? undefined
    : FOR_GOOD['unknown-model']![0]

describe('the model that an upstream lists', () => {
  it('is listed again when it is gone, and the call is repeated', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))

    upstream.script = { models: ['new'], refuses: knowsItsList(upstream) }

    expect(await endOf(engine, turnOf('Hi'))).toMatchObject({ model: 'new' })
    expect(upstream.completions.map(({ body }) => String(body.model))).toEqual([
      'old',
      'old',
      'new',
    ])
    expect(engine.model).toBe('new')
  })

  it('is listed once for many calls that find it gone at the same moment', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))
    upstream.script = { models: ['new'], refuses: knowsItsList(upstream) }

    await Promise.all(Array.from({ length: 20 }, () => endOf(engine, turnOf('Hi'))))

    expect(askedModels(upstream)).toBe(2)
  })

  it('is refused for good, once, when the list still has it', async () => {
    await using upstream = await startUpstream({ refuses: () => FOR_GOOD['unknown-model']![0] })
    const { engine } = engineFor(upstream)

    expect((await failureOf(engine)).code).toBe('upstream-refused')
    expect(upstream.completions).toHaveLength(1)
    expect(askedModels(upstream)).toBe(2)
  })

  it('is not looked for where the operator named one', async () => {
    await using upstream = await startUpstream({ refuses: () => FOR_GOOD['unknown-model']![0] })

    await failureOf(engineFor(upstream, { model: 'm' }).engine)

    expect(upstream.calls).toHaveLength(1)
  })

  it('is found for the others when the caller that asked first leaves', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const first = endOf(engine, turnOf('Hi'), abort.signal)
    const second = endOf(engine, turnOf('Hi'))
    await until(() => upstream.calls.length === 1)
    const reason = new Error('the visitor left')
    abort.abort(reason)
    await expect(first).rejects.toBe(reason)

    upstream.release()
    expect((await second).type).toBe('end')
    expect(askedModels(upstream)).toBe(1)
  })

  it('is not waited for any longer when every caller has left', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const reason = new Error('the visitor left')
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
