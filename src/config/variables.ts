/** An environment variable, as `.env.example` explains it. */
export interface Variable {
  /** Applies if the variable is not set; absent if the feature is then off. */
  readonly default?: string
  /** One line for `.env.example`. */
  readonly about: string
}

/** All variables that Parley reads, except `RATE_LIMIT_<POLICY>`, in the order of `.env.example`. */
export const VARIABLES = {
  PORT: { default: '3000', about: 'Port of the API. 0 chooses a free port.' },
  HOST: {
    default: '0.0.0.0',
    about: 'Address to listen on. 127.0.0.1 accepts connections from this machine only.',
  },
  REQUIRE_HTTPS: {
    default: 'false',
    about: 'true refuses requests that did not arrive over HTTPS, except health checks.',
  },
  TLS_CERT_FILE: {
    about: 'PEM certificate chain. With TLS_KEY_FILE, the server speaks HTTPS.',
  },
  TLS_KEY_FILE: {
    about: 'PEM private key of TLS_CERT_FILE. The server reloads both files when they change.',
  },
  TRUST_PROXY: {
    default: '0',
    about:
      'Proxies to trust for X-Forwarded-For and -Proto: addresses and CIDRs, or a number of hops.',
  },
  CORS_ORIGINS: {
    about: 'Browser origins that may call the API, spelled exactly: https://app.example.com.',
  },
  METRICS_PORT: {
    about: 'Port of /metrics for Prometheus. 0 chooses a free port; empty turns metrics off.',
  },
  METRICS_HOST: {
    default: '127.0.0.1',
    about:
      'Address of /metrics, which requires no credential. Use 0.0.0.0 only in a private network.',
  },
  SECURITY_CONTACT: {
    about:
      'mailto: or https: addresses for /.well-known/security.txt. Empty publishes no such file.',
  },
  SHUTDOWN_GRACE_SECONDS: {
    default: '30',
    about: 'How long requests in progress may continue after SIGTERM.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'OpenTelemetry collector for traces: http://localhost:4318. Empty turns traces off.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    about: 'Complete URL for traces, used instead: http://localhost:4318/v1/traces.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: { about: 'Headers for the collector: name=value,name=value.' },
  OTEL_SERVICE_NAME: { default: 'parley', about: 'Name of this service in traces.' },
  OTEL_SDK_DISABLED: { default: 'false', about: 'true turns traces off, even with an endpoint.' },
  LOG_LEVEL: { default: 'info', about: 'trace, debug, info, warn, error, fatal or silent.' },

  DATA_DIR: {
    default: './data',
    about: 'Folder for the embedded database, the signing keys and the server secret.',
  },
  DATABASE_URL: { about: 'postgresql://… uses PostgreSQL instead of the embedded database.' },
  REDIS_URL: {
    about:
      'redis://…, rediss://… or unix:///… for rate limits. Empty counts them in PostgreSQL or in memory.',
  },

  CHAT_UPSTREAM_URL: {
    about: 'Base URL of an OpenAI-compatible API. Empty uses the built-in engine.',
  },
  CHAT_UPSTREAM_KEY: { about: 'API key for the upstream.' },
  CHAT_UPSTREAM_MODEL: { about: 'Model to request from the upstream.' },
  CHAT_UPSTREAM_SAMPLING: {
    default: 'mode',
    about: 'mode sends the sampling parameters of the chat mode; none leaves them to the upstream.',
  },
  CHAT_UPSTREAM_MAX_TOKENS_PARAMETER: {
    default: 'max_tokens',
    about: 'Parameter that limits an answer: max_tokens, max_completion_tokens or none.',
  },
  CHAT_UPSTREAM_SYSTEM_ROLE: {
    default: 'system',
    about: 'Role of the instructions: system, developer, or user (in front of the first message).',
  },
  CHAT_UPSTREAM_STREAM_USAGE: {
    default: 'on',
    about: 'on requests token counts with stream_options; off does not.',
  },
  CHAT_UPSTREAM_TIMEOUT_SECONDS: {
    default: '60',
    about: 'How long the upstream may send nothing.',
  },

  ADMIN_EMAIL: {
    about: 'Email of the administrator that the first start creates, with ADMIN_PASSWORD.',
  },
  ADMIN_PASSWORD: {
    about: 'If both are empty, the first start generates a password and prints it once.',
  },
  REGISTRATION: { default: 'closed', about: 'open allows anyone to register.' },
  ACCESS_TOKEN_TTL_SECONDS: { default: '900', about: 'Lifetime of an access token.' },
  REFRESH_TOKEN_TTL_SECONDS: {
    default: '604800',
    about: 'Lifetime of a session without a refresh.',
  },
  BCRYPT_COST: { default: '11', about: 'Cost of hashing a password. Each step doubles it.' },
  SIGNING_KEYS_FILE: {
    about:
      'Private JWK Set (Ed25519); the first key signs. Required with DATABASE_URL: npm run secrets.',
  },
  SERVER_SECRET: {
    about: 'At least 32 bytes. Never change it. Required with DATABASE_URL: npm run secrets.',
  },

  MAX_OPEN_STREAMS: { default: '5', about: 'Streams that one caller may have open at a time.' },
} as const satisfies Record<string, Variable>

/** The name of a variable in the table. */
export type VariableName = keyof typeof VARIABLES

/**
 * Names with these prefixes are Parley's: one that is not in the table is a misspelling. Prefixes
 * that other programs use too are left out (ADMIN, DATA, DATABASE, HOST, LOG, METRICS, PORT, REDIS,
 * TLS).
 */
export const OUR_PREFIXES = [
  'ACCESS_TOKEN_',
  'BCRYPT_',
  'CHAT_UPSTREAM_',
  'CORS_ORIGIN',
  'MAX_OPEN_',
  'RATE_LIMIT_',
  'REFRESH_TOKEN_',
  'REGISTRATION',
  'REQUIRE_HTTPS',
  'SECURITY_CONTACT',
  'SERVER_SECRET',
  'SHUTDOWN_GRACE_',
  'SIGNING_KEY',
  'TLS_CERT',
  'TLS_KEY',
  'TRUST_PROX',
] as const

/** Whether a variable is Parley's, or has one of its prefixes. */
export function isOurs(name: string): boolean {
  return Object.hasOwn(VARIABLES, name) || OUR_PREFIXES.some((prefix) => name.startsWith(prefix))
}

/** The variable that overrides a policy: `sign-in-account` has `RATE_LIMIT_SIGN_IN_ACCOUNT`. */
export function rateLimitVariable(policyName: string): string {
  return `RATE_LIMIT_${policyName.toUpperCase().replaceAll('-', '_')}`
}
