/** The last one that RFC 3339 can write, and that every database keeps. */
export const LAST_INSTANT = new Date('9999-12-31T23:59:59.999Z')

/**
 * RFC 3339 5.6: `date-time`, as far as a form can say it. Its `T` and `Z` may be small; an offset has
 * hours, a colon and minutes.
 */
export const INSTANT_FORM =
  /^(\d{4}-(?:0[1-9]|1[0-2])-(\d\d))T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** The seconds of the calendar that may be a minute's 61st: RFC 3339 5.7. */
const LEAP_SECOND = /^\d{4}-(?:06-30|12-31)T23:59:59/

const SECOND_MS = 1_000

/**
 * A time from 1970 to 9999 as RFC 3339 writes it, which is less than JavaScript reads: no hour 24, no
 * 30th of February. A leap second is the second behind it.
 */
export function readInstant(text: string): Date | undefined {
  const time = instantOf(text)
  const year = time?.getUTCFullYear() ?? 0
  return year >= 1970 && year <= 9999 ? time : undefined
}

function instantOf(text: string): Date | undefined {
  const [, date, day, minute, second, fraction = '', zone] = INSTANT_FORM.exec(text) ?? []
  if (date === undefined || !isDay(date, Number(day))) return undefined
  // JavaScript's own spelling: three digits are its whole resolution.
  const spelt = (of: string) =>
    new Date(`${date}T${minute}:${of}${fraction.slice(0, 4)}${zone!.toUpperCase()}`)
  if (second !== '60') return spelt(second!)
  const before = spelt('59')
  if (!LEAP_SECOND.test(before.toISOString())) return undefined
  return new Date(before.getTime() + SECOND_MS)
}

/** @param date like `2026-02-28`; JavaScript takes one day too many for one of the next month */
function isDay(date: string, day: number): boolean {
  return new Date(`${date}T00:00:00Z`).getUTCDate() === day
}
