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
    'REDIS_URL names a node of a Redis Cluster, which cannot count several limits in one step: use a single server, or a primary with replicas.',
  ],
  [/READONLY/, 'REDIS_URL names a replica, which accepts no writes: name its primary.'],
  [
    // A long command is refused as unauthenticated before Redis asks for a password.
    /NOAUTH|unauthenticated/,
    'Redis requires a password: use redis://:password@host or redis://user:password@host in REDIS_URL.',
  ],
  [
    /WRONGPASS|invalid password|without any password configured|no password is set/i,
    'Redis refuses the login: correct the user or the password in REDIS_URL.',
  ],
  [
    /wrong number of arguments for 'auth'/i,
    'This Redis has no users, only a password: use redis://:password@host in REDIS_URL.',
  ],
  [
    /NOPERM|no permissions|can't (run|access)/i,
    'The Redis user in REDIS_URL lacks a permission: docs/operations/redis.md lists the permissions that it needs.',
  ],
  [
    /DB index/i,
    'REDIS_URL names a database that this Redis does not have: use a lower number, or leave it out.',
  ],
  [
    /DENIED/,
    'Redis is in protected mode and accepts only connections from its own machine: set a password in Redis and in REDIS_URL.',
  ],
  [
    /unknown command/i,
    'REDIS_URL names a server without the commands that Parley needs: a Sentinel (name the primary instead), or Redis older than 5.0 (update it).',
  ],
  [
    /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)/,
    'The certificate of Redis is not signed by a trusted authority: set NODE_EXTRA_CA_CERTS to a file with the certificate of its authority (PEM).',
  ],
  [
    /ALTNAME_INVALID/,
    'The certificate of Redis is for another host name: use a name from the certificate as the host in REDIS_URL.',
  ],
  [/EACCES/, 'This user cannot open the socket in REDIS_URL: allow it, or correct the path.'],
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    'The certificate of Redis has expired or is not yet valid: renew it.',
  ],
  [
    /CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/,
    'Redis requires a client certificate, which Parley does not have: set tls-auth-clients to no in Redis, and use a password.',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|EPROTO/,
    'The server at REDIS_URL does not speak TLS: use redis:// instead of rediss://, or use its TLS port.',
  ],
  [/Unknown RESP type/i, 'The server at REDIS_URL is not Redis: check its host and port.'],
]

const PASSING: readonly (readonly [message: RegExp, sentence: string])[] = [
  [/ECONNREFUSED/, 'Nothing listens at the host and port in REDIS_URL.'],
  [/ENOENT/, 'There is no socket at the path in REDIS_URL.'],
  [/ENOTFOUND|EAI_AGAIN/, 'The host in REDIS_URL cannot be resolved.'],
  [
    /ECONNRESET|Socket closed/,
    'The server at REDIS_URL closes the connection: it may be starting, speak TLS (rediss://), require a client certificate, or not be Redis.',
  ],
  [
    /TooSlow|ETIMEDOUT|timeout|not connected/i,
    'Redis does not respond in time. (A port without TLS does not respond to rediss:// either.)',
  ],
  [/LOADING/, 'Redis is loading its data.'],
  [/OOM/, 'Redis has no memory left (maxmemory): raise it, or use a separate Redis for Parley.'],
  [/MISCONF/, 'Redis cannot save its data and accepts no writes: check its log and its disk.'],
  [/NOREPLICAS/, 'Redis has too few replicas (min-replicas-to-write) and accepts no writes.'],
  [/MASTERDOWN/, 'REDIS_URL names a replica whose primary is unreachable.'],
  [/BUSY/, 'Redis is busy running a script.'],
  [/max number of clients/i, 'Redis has no free connection (maxclients).'],
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
