/** As much of a text as fits, in UTF-16 units, never ending in half a surrogate pair. */
export function cutText(text: string, room: number): string {
  return text.length <= room ? text : text.slice(0, room).replace(/[\ud800-\udbff]$/, '')
}
