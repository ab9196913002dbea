import { type Parse, Unreadable } from './values.ts'

type Rule = readonly [isBroken: (text: string) => boolean, expected: string]

/** Everything up to the end of user, password, host and port. */
const AFTER_AUTHORITY = /^[^/]*:\/\/[^/?#]*/

/** The first broken rule is reported. None quotes the URL, which contains a password. */
const RULES: readonly Rule[] = [
  [
    (text) => !/^(rediss?|unix):\/\/./.test(text),
    'a URL that begins with redis:// or rediss:// (TLS), or names a socket: unix:///run/redis/redis.sock',
  ],
  [
    (text) => text.replace(AFTER_AUTHORITY, '').includes('@') || !isDecodable(text),
    'a URL whose password has @ / ? # and % percent-encoded, as %40 %2F %3F %23 and %25',
  ],
  // eslint-disable-next-line no-control-regex -- a URL parser drops them, and much else is no URL
  [(text) => /[\u0000-\u0020\u007f"<>\\^`{|}]/.test(text), 'a URL without spaces and quotes'],
]

const SERVER_RULES: readonly Rule[] = [
  [(text) => /[?#]/.test(text), 'a URL without ? and #: nothing can be set behind them'],
  [
    (text) => !/^(\/\d{0,5})?$/.test(text.replace(AFTER_AUTHORITY, '')),
    'a URL that ends after the port or with the number of a database: redis://host:6379/2',
  ],
  [
    (text) => !isHost(urlIn(text)?.hostname ?? ''),
    'a URL with the host of one server and its port, if it is not 6379: redis://host:6379',
  ],
  [
    (text) => urlIn(text)!.username !== '' && urlIn(text)!.password === '',
    'a URL in which a password follows the user: redis://user:password@host or redis://:password@host',
  ],
]

const SOCKET_RULES: readonly Rule[] = [
  [
    (text) => !/^unix:\/\/([^@/]*@)?\/[^?#]+(\?db=\d{1,5})?$/.test(text),
    'the whole path of a socket, with ?db=2 for a database: unix:///run/redis/redis.sock?db=2',
  ],
]

/** The URL of Redis. @throws Unreadable with the mistake, which never quotes the URL */
export const redisUrl: Parse<string> = (text) => {
  const rules = [...RULES, ...(text.startsWith('unix:') ? SOCKET_RULES : SERVER_RULES)]
  const broken = rules.find(([isBroken]) => isBroken(text))
  if (broken) throw new Unreadable(broken[1])
  return text
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function isHost(hostname: string): boolean {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(hostname)
}

function urlIn(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
