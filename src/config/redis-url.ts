import { type Parse, Unreadable } from './values.ts'

type Rule = readonly [isBroken: (text: string) => boolean, expected: string]

/** Everything up to the end of user, password, host and port. */
const AFTER_AUTHORITY = /^[^/]*:\/\/[^/?#]*/

/** The first broken rule is reported. None quotes the URL, which contains a password. */
const RULES: readonly Rule[] = [
  [
    (text) => !/^(rediss?|unix):\/\/./.test(text),
    'a URL that starts with redis:// or rediss:// (TLS), or the URL of a socket: unix:///run/redis/redis.sock',
  ],
  [
    (text) => text.replace(AFTER_AUTHORITY, '').includes('@') || !isDecodable(text),
    'a URL with @ / ? # and % percent-encoded in its password: %40 %2F %3F %23 %25',
  ],
  // eslint-disable-next-line no-control-regex -- a URL parser drops them, and much else is no URL
  [(text) => /[\u0000-\u0020\u007f"<>\\^`{|}]/.test(text), 'a URL without spaces or quotes'],
]

const SERVER_RULES: readonly Rule[] = [
  [(text) => /[?#]/.test(text), 'a URL without ? or #: it takes no parameters'],
  [
    (text) => !/^(\/\d{0,5})?$/.test(text.replace(AFTER_AUTHORITY, '')),
    'a URL that ends after the port or with a database number: redis://host:6379/2',
  ],
  [
    (text) => !isHost(urlIn(text)?.hostname ?? ''),
    'a URL with the host of one server, and its port unless it is 6379: redis://host:6379',
  ],
  [
    (text) => urlIn(text)!.username !== '' && urlIn(text)!.password === '',
    'a URL with a password after the user: redis://user:password@host or redis://:password@host',
  ],
]

const SOCKET_RULES: readonly Rule[] = [
  [
    (text) => !/^unix:\/\/([^@/]*@)?\/[^?#]+(\?db=\d{1,5})?$/.test(text),
    'the full path of a socket, with ?db=2 for a database: unix:///run/redis/redis.sock?db=2',
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
