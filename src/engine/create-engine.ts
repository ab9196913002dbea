import type { Clock } from '../ports/clock/clock.ts'
import type { Log } from '../ports/observability/log.ts'
import { BuiltinEngine } from './builtin/builtin.ts'
import type { Engine } from './engine.ts'
import { OpenAiCompatibleEngine } from './upstream/openai-compatible.ts'
import type { RequestShape } from './upstream/request/request-shape.ts'

/** The settings of the engine. */
export interface EngineConfig {
  /** The base URL of an OpenAI-compatible server; without it the built-in rules answer. */
  readonly url: string | undefined
  readonly key: string | undefined
  readonly model: string | undefined
  /** The initial shape of requests to the upstream, in the terms of the settings. */
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
  /** From 0 to below 1, for the jitter of retries. */
  readonly random: () => number
  readonly log?: Pick<Log, 'info'>
  /** The pause between two words of the built-in engine. Default: 15 ms. */
  readonly wordDelayMs?: number
}

/** Creates the engine of the configuration. */
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
