/** The form of a body by its beginning: the `Content-Type` of many servers is wrong. */
export type BodyForm = 'stream' | 'whole' | 'neither'

const STREAM_BEGINS = /^(?:data|event|id|retry)?:|^(?:data|event|id|retry)[\r\n]/
const STREAM_FIELDS = ['data:', 'event:', 'id:', 'retry:']
/** The longest white space that may come before either form, in UTF-16 code units. */
const LONGEST_BLANK = 1_024

/**
 * Tells a stream of events from JSON, which is a whole answer.
 * @param isDeclaredStream the `Content-Type` says so: then lines of any kind may come before the
 *   first event
 * @returns undefined as long as the body can be either
 */
export function formOf(beginning: string, isDeclaredStream: boolean): BodyForm | undefined {
  const text = beginning.trimStart()
  if (text.startsWith('{')) return 'whole'
  if (STREAM_BEGINS.test(text)) return 'stream'
  const isOpen = text === '' && beginning.length < LONGEST_BLANK
  if (isOpen || STREAM_FIELDS.some((field) => text !== '' && field.startsWith(text)))
    return undefined
  return isDeclaredStream ? 'stream' : 'neither'
}
