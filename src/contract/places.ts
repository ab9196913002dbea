import type { Method } from './document.ts'

/** The JSON Pointer of an operation in the document. */
export function placeOf(path: string, method: Method): string {
  return `#/paths/${path.replaceAll('/', '~1')}/${method}`
}
