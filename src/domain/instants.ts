/** The last one that RFC 3339 can write, and that every database keeps. */
export const LAST_INSTANT = new Date('9999-12-31T23:59:59.999Z')

/** A time from 1970 to 9999 that exists: the validator lets year 0 and the 30th of February pass. */
export function readInstant(text: string): Date | undefined {
  const time = new Date(text)
  const year = time.getUTCFullYear()
  return year >= 1970 && year <= 9999 && isDay(text.slice(0, 10)) ? time : undefined
}

/** @param date like `2026-02-28`; JavaScript takes one day too many for one of the next month */
function isDay(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(8))
}
