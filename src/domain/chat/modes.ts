import type { EngineMode } from '../../engine/engine.ts'
import { invalidRequest } from '../problem.ts'

/** A named system prompt and sampling preset that a caller chooses by id. */
export interface Mode extends EngineMode {
  readonly title: string
  readonly description: string
  /** True for exactly one mode: the one used when a caller chooses none. */
  readonly default: boolean
}

const SAME_LANGUAGE = 'Answer in the language of the last message.'

/** All modes, the default first. */
export const modes: readonly Mode[] = Object.freeze([
  Object.freeze({
    id: 'balanced',
    title: 'Balanced',
    description: 'Clear, complete answers in a friendly tone.',
    default: true,
    systemPrompt: `You are a helpful assistant. Be accurate and friendly, and say so when you do not know. ${SAME_LANGUAGE}`,
    temperature: 0.7,
    maxOutputTokens: 2048,
  }),
  Object.freeze({
    id: 'concise',
    title: 'Concise',
    description: 'The answer and nothing else, in a sentence or two.',
    default: false,
    systemPrompt: `You are a helpful assistant. Answer in one or two short sentences, without preamble, lists or repetition. ${SAME_LANGUAGE}`,
    temperature: 0.3,
    maxOutputTokens: 512,
  }),
  Object.freeze({
    id: 'creative',
    title: 'Creative',
    description: 'Vivid, playful answers with images and surprises.',
    default: false,
    systemPrompt: `You are an imaginative assistant. Use vivid images, fresh comparisons and a playful tone, and stay truthful. ${SAME_LANGUAGE}`,
    temperature: 1,
    maxOutputTokens: 2048,
  }),
])

/** The mode with this id, or undefined. */
export function findMode(id: string): Mode | undefined {
  return modes.find((mode) => mode.id === id)
}

/** The mode used when a caller chooses none. */
export const defaultMode: Mode = modes.find((mode) => mode.default)!

/** @throws {Problem} invalid-request at `pointer` when there is no such mode */
export function requireMode(id: string, pointer: string): Mode {
  const mode = findMode(id)
  if (mode) return mode
  const detail = `must be one of ${modes.map((one) => one.id).join(', ')}`
  throw invalidRequest({ in: 'body', pointer, code: 'enum', detail })
}
