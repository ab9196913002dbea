import type { Clock } from '../ports/clock/clock.ts'
import type { Log } from '../ports/observability/log.ts'
import { BuiltinEngine } from './builtin/builtin.ts'
import type { Engine } from './engine.ts'
import { OpenAiCompatibleEngine } from './upstream/openai-compatible.ts'
import type { RequestShape } from './upstream/request/request-shape.ts'

/** What the environment says about answering. */
export interface EngineConfig {
  /** The base URL of an OpenAI-compatible server; without it the built-in rules answer. */
  readonly url: string | undefined
  readonly key: string | undefined
  readonly model: string | undefined
  /** What the upstream is asked at first, in the words of the settings. */
  readonly shape?: {
    readonly sampling: 'mode' | 'none'
    readonly lengthParameter: RequestShape['lengthParameter']
    readonly systemRole: RequestShape['systemRole']
    readonly streamUsage: 'on' | 'off'
  }
  /** The longest time without a chunk. */
  readonly timeoutSeconds: number
}

export interface EngineDependencies {
  readonly clock: Pick<Clock, 'wait' | 'now' | 'monotonicMs'>
  /** From 0 to below 1; spreads retries. */
  readonly random: () => number
  readonly log?: Pick<Log, 'info'>
  /** Between two words of the built-in engine. Default 15 ms. */
  readonly wordDelayMs?: number
}

/** The engine that the configuration asks for. */
export function createEngine(config: EngineConfig, dependencies: EngineDependencies): Engine {
  const { clock, random, log, wordDelayMs } = dependencies
  if (config.url === undefined) {
    return new BuiltinEngine({
      wait: clock.wait,
      ...(wordDelayMs !== undefined && { wordDelayMs }),
    })
  }
  return new OpenAiCompatibleEngine({
    url: config.url,
    ...(config.key !== undefined && { key: config.key }),
    ...(config.model !== undefined && { model: config.model }),
    ...(config.shape && { shape: shapeOf(config.shape) }),
    ...(log && { log }),
    idleTimeoutMs: config.timeoutSeconds * 1_000,
    clock,
    random,
  })
}

function shapeOf(settings: NonNullable<EngineConfig['shape']>): RequestShape {
  const { sampling, lengthParameter, systemRole, streamUsage } = settings
  const isSampled = sampling === 'mode'
  return {
    temperature: isSampled,
    topP: isSampled,
    lengthParameter,
    systemRole,
    streamUsage: streamUsage === 'on',
  }
}
