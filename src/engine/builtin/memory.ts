import type { Facts } from './facts.ts'
import type { Language } from './sentence.ts'

/**
 * The state of one conversation. It follows from the user's messages alone, so any instance can
 * rebuild it.
 */
export interface Memory {
  readonly facts: Facts
  /** How often each rule was used, so that its answers rotate. */
  readonly uses: Map<number, number>
  /** Where each rule's rotation starts. */
  readonly seed: number
  /** The brain's last reply with its marks, for rules that follow one. */
  lastReply: string
  language: Language
}

export function emptyMemory(seed: number): Memory {
  return { facts: new Map(), uses: new Map(), seed, lastReply: 'undefined', language: 'english' }
}

/** A copy that can be changed independently. */
export function copyMemory(memory: Memory): Memory {
  return { ...memory, facts: new Map(memory.facts), uses: new Map(memory.uses) }
}

/** 32 bits of a text (FNV-1a): the same on every machine, and no secret. */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}
