import type { Method } from './document.ts'

/** Where an operation stands in the document, as a JSON Pointer. */
export function placeOf(path: string, method: Method): string {
  return `#/paths/${path.replaceAll('/', '~1')}/${method}`
}
