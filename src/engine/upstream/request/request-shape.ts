import type { Refusal } from '../refusals/refusal.ts'

/**
 * The form of request that a model accepts: whole families of models refuse one part or another.
 */
export interface RequestShape {
  /** Whether the mode's temperature is sent, where it has one. */
  readonly temperature: boolean
  readonly topP: boolean
  /** The parameter that limits the length of an answer. */
  readonly lengthParameter: 'max_tokens' | 'max_completion_tokens' | 'none'
  /** `user`: the system prompt is put before the text of the first message. */
  readonly systemRole: 'system' | 'developer' | 'user'
  /** Whether `stream_options` asks for usage. */
  readonly streamUsage: boolean
}

/** A part of a request that the upstream may refuse. */
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

/** The parts of a request that its refusal names; empty when the reason is another. */
export function refusedParts({ body }: Refusal, sent: readonly RequestPart[]): RequestPart[] {
  const named = sent.filter((part) => body.places.some((place) => isPlaceOf(part, place)))
  if (named.length > 0) return named
  // Some models accept either of the two, but not both.
  if (['temperature', 'topP'].every((part) => isNamed(part as RequestPart, sent, body.text))) {
    return ['topP']
  }
  // A sentence may go on to list what is accepted: only the part that it names first is refused.
  const [first] = sent
    .map((part) => ({ part, at: body.text.search(NAMES[part]) }))
    .filter(({ at }) => at !== -1)
    .sort((a, b) => a.at - b.at)
  return first ? [first.part] : []
}

function isNamed(part: RequestPart, sent: readonly RequestPart[], text: string): boolean {
  return sent.includes(part) && NAMES[part].test(text)
}

function isPlaceOf(part: RequestPart, place: string): boolean {
  if (part === 'system') return ROLE_PLACE.test(place)
  // A message may have a field of that name, which is not the parameter.
  return !place.includes('messages') && NAMES[part].test(place)
}

/** The value was refused, not the parameter. */
const TOO_MUCH =
  /too (?:large|high|big)|at most|less than|greater than|range|maximum|exceed|must be/i

/**
 * The change after which the part is not refused again: it is dropped, renamed or moved.
 * @param before the shapes that were refused earlier in this call
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
      const isAmount = TOO_MUCH.test(refusal.body.text)
      return { lengthParameter: isRenamed || isAmount ? 'none' : other }
    }
  }
}

/** Describes a change for the log, without text of the upstream. */
export function describeChanges(changes: Partial<RequestShape>): string[] {
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
