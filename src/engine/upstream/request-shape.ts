import type { Refusal } from './refusal.ts'

/** How a model wants to be asked: what whole families of them refuse in one form or another. */
export interface RequestShape {
  /** Whether the mode's own value is sent, where it has one. */
  readonly temperature: boolean
  readonly topP: boolean
  /** The name under which the longest answer is told. */
  readonly lengthParameter: 'max_tokens' | 'max_completion_tokens' | 'none'
  /** `user`: the instructions come before the first message, in the same turn. */
  readonly systemRole: 'system' | 'developer' | 'user'
  /** Whether usage is asked for by `stream_options`. */
  readonly streamUsage: boolean
}

/** A part of a request that an upstream may refuse. */
export type RequestPart = 'temperature' | 'topP' | 'length' | 'system' | 'streamUsage'

const NAMES: Readonly<Record<RequestPart, RegExp>> = {
  temperature: /\btemperature\b/i,
  topP: /\btop_?p\b/i,
  length: /\bmax_?(?:completion_?|output_?|new_?)?tokens\b/i,
  system: new RegExp(
    [
      '\\b(?:system|developer)[\'"`]? (?:role|instruction|message|prompt)',
      '\\brole[\'"`]?[^.\\n]{0,40}\\b(?:system|developer)\\b',
      'roles must alternate|unexpected (?:message )?role|only user and assistant roles',
    ].join('|'),
    'i',
  ),
  streamUsage: /\bstream_?options\b|\binclude_?usage\b/i,
}
const ROLE_PLACE = /^(?:body\.)?messages\b.*\brole$/

/** The parts of a refused request that its refusal names. Empty when it is about something else. */
export function refusedParts({ said }: Refusal, sent: readonly RequestPart[]): RequestPart[] {
  const named = sent.filter((part) => said.places.some((place) => isPlaceOf(part, place)))
  if (named.length > 0) return named
  // Asked for one of the two: what is refused is that there are both.
  if (['temperature', 'topP'].every((part) => isNamed(part as RequestPart, sent, said.text))) {
    return ['topP']
  }
  // A sentence may go on to list what is taken: only what it names first is refused.
  const [first] = sent
    .map((part) => ({ part, at: said.text.search(NAMES[part]) }))
    .filter(({ at }) => at !== -1)
    .sort((a, b) => a.at - b.at)
  return first ? [first.part] : []
}

function isNamed(part: RequestPart, sent: readonly RequestPart[], text: string): boolean {
  return sent.includes(part) && NAMES[part].test(text)
}

function isPlaceOf(part: RequestPart, place: string): boolean {
  if (part === 'system') return ROLE_PLACE.test(place)
  // A message that is called so is not the parameter.
  return !place.includes('messages') && NAMES[part].test(place)
}

/** What is wrong is how much was asked for, not that it was asked. */
const TOO_MUCH =
  /too (?:large|high|big)|at most|less than|greater than|range|maximum|exceed|must be/i

/**
 * What to change so that the part is not refused again: drop it, rename it, or fold it in.
 * @param before the shapes that were refused before this one, in this call
 */
export function withoutPart(
  part: RequestPart,
  shape: RequestShape,
  { refusal, before }: { refusal: Refusal; before: readonly RequestShape[] },
): Partial<RequestShape> {
  switch (part) {
    case 'temperature':
      return { temperature: false }
    case 'topP':
      return { topP: false }
    case 'streamUsage':
      return { streamUsage: false }
    case 'system':
      return { systemRole: 'user' }
    case 'length': {
      const other = shape.lengthParameter === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens'
      const isRenamed = before.some(({ lengthParameter }) => lengthParameter === other)
      const isAmount = TOO_MUCH.test(refusal.said.text)
      return { lengthParameter: isRenamed || isAmount ? 'none' : other }
    }
  }
}

/** What is changed, for the log: only words of ours. */
export function wordsFor(changes: Partial<RequestShape>): string[] {
  return [
    ...(changes.temperature === false ? ['without temperature'] : []),
    ...(changes.topP === false ? ['without top_p'] : []),
    ...(changes.streamUsage === false ? ['without stream_options'] : []),
    ...(changes.systemRole ? ['with the instructions before the first message'] : []),
    ...lengthWords(changes.lengthParameter),
  ]
}

function lengthWords(name: RequestShape['lengthParameter'] | undefined): string[] {
  if (name === undefined) return []
  return [name === 'none' ? 'without a length limit' : `with ${name}`]
}
