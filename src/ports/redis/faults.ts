/** Why a store cannot be used, for an operator. */
export type StoreFault = {
  /** What is wrong and what to do. It quotes neither the URL nor a secret. */
  sentence: string
  /** Whether it can pass without a change of the configuration. */
  passing: boolean
}

/** Messages of Redis, its connection or its certificate, in the order in which they are looked for. */
const LASTING: readonly (readonly [message: RegExp, sentence: string])[] = [
  [
    /CROSSSLOT|^MOVED|^ASK |CLUSTERDOWN|not allowed in cluster mode/,
    'REDIS_URL names a node of a Redis Cluster, which cannot count several limits in one step: name a single server, or a primary with replicas.',
  ],
  [/READONLY/, 'REDIS_URL names a replica, which takes no writes: name its primary.'],
  [
    // A long command is refused as unauthenticated before Redis asks for a password.
    /NOAUTH|unauthenticated/,
    'Redis asks for a password: write redis://:password@host or redis://user:password@host in REDIS_URL.',
  ],
  [
    /WRONGPASS|invalid password|without any password configured|no password is set/i,
    'Redis refuses the user or the password in REDIS_URL.',
  ],
  [
    /wrong number of arguments for 'auth'/i,
    'This Redis knows no users, only a password: write redis://:password@host in REDIS_URL.',
  ],
  [
    /NOPERM|no permissions|can't (run|access)/i,
    'The Redis user in REDIS_URL lacks a permission: docs/operations/redis.md has the line that suffices.',
  ],
  [
    /DB index/i,
    'REDIS_URL names a database that this Redis does not have: take a lower number, or leave it out.',
  ],
  [
    /DENIED/,
    'Redis is in protected mode and serves its own machine alone: give it a password, and write it in REDIS_URL.',
  ],
  [
    /unknown command/i,
    'REDIS_URL names a server without the commands that Parley needs: a Sentinel (name the primary instead), or a Redis older than 5.0.',
  ],
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)/,
    'The certificate of Redis is signed by no authority that is trusted here: let NODE_EXTRA_CA_CERTS name a file with its certificate (PEM).',
  ],
  [
    /ALTNAME_INVALID/,
    'The certificate of Redis is for another name: use a name that stands in it as the host in REDIS_URL.',
  ],
  [/EACCES/, 'This user may not open the socket in REDIS_URL.'],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, 'The certificate of Redis is not valid at this time.'],
  [
    /CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    'Redis wants a certificate of its client, which Parley has not: set tls-auth-clients to no in Redis, and use a password.',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|EPROTO/,
    'The server at REDIS_URL does not speak TLS: write redis:// instead of rediss://, or use its TLS port.',
  ],
  [/Unknown RESP type/i, 'The server at REDIS_URL is not Redis: look at its host and port.'],
]

const PASSING: readonly (readonly [message: RegExp, sentence: string])[] = [
  [/ECONNREFUSED/, 'Nothing listens at the place in REDIS_URL.'],
  [/ENOENT/, 'There is no socket at the path in REDIS_URL.'],
  [/ENOTFOUND|EAI_AGAIN/, 'The host in REDIS_URL has no address.'],
  [
    /ECONNRESET|Socket closed/,
    'The server at REDIS_URL closes the connection: it may be starting, speak TLS (rediss://), want a client certificate, or not be Redis.',
  ],
  [
    /TooSlow|ETIMEDOUT|timeout|not connected/i,
    'Redis does not answer in time. (A port without TLS does not answer rediss:// either.)',
  ],
  [/LOADING/, 'Redis loads its data.'],
  [/OOM/, 'Redis has no memory left (maxmemory): give it more, or a database for Parley alone.'],
  [/MISCONF/, 'Redis cannot save its data and takes no writes: look at its log and its disk.'],
  [/NOREPLICAS/, 'Redis has too few replicas (min-replicas-to-write) and takes no writes.'],
  [/MASTERDOWN/, 'REDIS_URL names a replica whose primary is away.'],
  [/BUSY/, 'Redis is busy with a script.'],
  [/max number of clients/i, 'Redis has as many connections as it takes (maxclients).'],
]

/** The fault behind an error of a Redis client, if it is known. */
export function redisFault(error: unknown): StoreFault | undefined {
  const message = messageOf(error)
  const find = (faults: typeof LASTING) => faults.find(([pattern]) => pattern.test(message))?.[1]
  const lasting = find(LASTING)
  if (lasting !== undefined) return { sentence: lasting, passing: false }
  const passing = find(PASSING)
  return passing === undefined ? undefined : { sentence: passing, passing: true }
}

/** The innermost message: a client that is not connected keeps its reason as the cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if (error.cause instanceof Error) return messageOf(error.cause)
  const { name, message } = error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return code === '' && name === 'Error' ? message : [message, code, name].join(' ')
}
