/** The media types of bodies that the contract describes. */
export const JSON_TYPE = 'application/json'
/** The media type of every problem, and of nothing else. */
export const PROBLEM_TYPE = 'application/problem+json'
export const EVENT_STREAM_TYPE = 'text/event-stream'
export const JSON_LINES_TYPE = 'application/x-ndjson'

/** Whether a body of this type is sent item by item: the contract's schema describes one item. */
export function isSequential(mediaType: string | undefined): boolean {
  return mediaType === EVENT_STREAM_TYPE || mediaType === JSON_LINES_TYPE
}
