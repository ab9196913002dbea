/** The last instant that RFC 3339 can express; both databases can store it. */
export const LAST_INSTANT = new Date('9999-12-31T23:59:59.999Z')

/**
 * The `date-time` of RFC 3339 5.6, as far as a pattern can express it. `T` and `Z` may be in lower
 * case; an offset has hours, a colon and minutes.
 */
export const INSTANT_FORM =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(\d\d))T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** The minutes that may have a 61st second (RFC 3339 5.7). */
const LEAP_SECOND = /^\d{4}-(?:06-30|12-31)T23:59:59/

const SECOND_MS = 1_000

/**
 * Reads an RFC 3339 time from 1970 to 9999. JavaScript accepts more: an hour 24, a 30th of
 * February. A leap second becomes the second after it.
 */
export function readInstant(text: string): Date | undefined {
  const time = instantOf(text)
  const year = time?.getUTCFullYear() ?? 0
  return year >= 1970 && year <= 9999 ? time : undefined
}

function instantOf(text: string): Date | undefined {
  const [, date, day, minute, second, fraction = '', zone] = INSTANT_FORM.exec(text) ?? []
  if (date === undefined || !isDay(date, Number(day))) return undefined
  // Date reads this spelling alike everywhere; it keeps milliseconds only.
  const at = (seconds: string) =>
    new Date(`${date}T${minute}:${seconds}${fraction.slice(0, 4)}${zone!.toUpperCase()}`)
  if (second !== '60') return at(second!)
  const before = at('59')
  if (!LEAP_SECOND.test(before.toISOString())) return undefined
  return new Date(before.getTime() + SECOND_MS)
}

/** @param date like `2026-02-28`; Date reads a 30th of February as a day of March */
function isDay(date: string, day: number): boolean {
  return new Date(`${date}T00:00:00Z`).getUTCDate() === day
}
