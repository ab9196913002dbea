/** What a body is, by what it begins with: the name that its server gives it is often another's. */
export type BodyForm = 'stream' | 'whole' | 'neither'

const STREAM_BEGINS = /^(?:data|event|id|retry)?:|^(?:data|event|id|retry)[\r\n]/
const STREAM_FIELDS = ['data:', 'event:', 'id:', 'retry:']
/** White space may come before either; by then it is clear what a body is. In UTF-16 code units. */
const LONGEST_BLANK = 1_024

/**
 * What a body is that begins so: a stream of events, or JSON, which is a whole answer.
 * @param isCalledStream then lines of any kind may come before its first event
 * @returns undefined as long as it can be either
 */
export function formOf(beginning: string, isCalledStream: boolean): BodyForm | undefined {
  const text = beginning.trimStart()
  if (text.startsWith('{')) return 'whole'
  if (STREAM_BEGINS.test(text)) return 'stream'
  const isOpen = text === '' && beginning.length < LONGEST_BLANK
  if (isOpen || STREAM_FIELDS.some((field) => text !== '' && field.startsWith(text)))
    return undefined
  return isCalledStream ? 'stream' : 'neither'
}
