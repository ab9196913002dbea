/** An environment variable, as `.env.example` explains it. */
export interface Variable {
  /** Applies if the variable is not set; absent if the feature is then off. */
  readonly default?: string
  /** One line for `.env.example`. */
  readonly about: string
}

/** All variables that Parley reads, except `RATE_LIMIT_<POLICY>`, in the order of `.env.example`. */
export const VARIABLES = {
  PORT: { default: '3000', about: 'Port of the API; 0 takes any free one.' },
  HOST: { default: '0.0.0.0', about: 'Address to listen on; 127.0.0.1 for this machine only.' },
  REQUIRE_HTTPS: {
    default: 'false',
    about: 'true refuses requests that did not come by HTTPS, health checks apart.',
  },
  TLS_CERT_FILE: {
    about: 'PEM certificate chain; with TLS_KEY_FILE the server speaks HTTPS.',
  },
  TLS_KEY_FILE: {
    about: 'PEM private key of TLS_CERT_FILE. Both are read again when they change.',
  },
  TRUST_PROXY: {
    default: '0',
    about: 'Proxies whose X-Forwarded-For and -Proto count: addresses and CIDRs, or how many hops.',
  },
  CORS_ORIGINS: { about: 'Browser origins that may call, exactly: https://app.example.com.' },
  METRICS_PORT: { about: 'Port of /metrics for Prometheus; 0 takes any free one; off if empty.' },
  METRICS_HOST: {
    default: '127.0.0.1',
    about: 'Address of /metrics, which asks for no credential; 0.0.0.0 only in a private network.',
  },
  SECURITY_CONTACT: {
    about:
      'For /.well-known/security.txt: mailto: or https: addresses; none is published if empty.',
  },
  SHUTDOWN_GRACE_SECONDS: {
    default: '30',
    about: 'How long running requests may go on at SIGTERM.',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'OpenTelemetry collector to send traces to: http://localhost:4318; off if empty.',
  },
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
    about: 'The same as a whole URL: http://localhost:4318/v1/traces.',
  },
  OTEL_EXPORTER_OTLP_HEADERS: { about: 'Sent to the collector: name=value,name=value.' },
  OTEL_SERVICE_NAME: { default: 'parley', about: 'The name of this service in traces.' },
  OTEL_SDK_DISABLED: { default: 'false', about: 'true sends no traces after all.' },
  LOG_LEVEL: { default: 'info', about: 'trace, debug, info, warn, error, fatal or silent.' },

  DATA_DIR: { default: './data', about: 'Folder of the embedded database, keys and secret.' },
  DATABASE_URL: { about: 'postgresql://… instead of the embedded database.' },
  REDIS_URL: {
    about:
      'redis://…, rediss://… or unix:///… to count limits there; if empty, where the data are.',
  },

  CHAT_UPSTREAM_URL: {
    about: 'Base URL of an OpenAI-compatible API; if empty, the built-in engine answers.',
  },
  CHAT_UPSTREAM_KEY: { about: 'Its API key.' },
  CHAT_UPSTREAM_MODEL: { about: 'The model to ask it for.' },
  CHAT_UPSTREAM_SAMPLING: {
    default: 'mode',
    about: "mode sends the chat mode's sampling; none leaves it to the upstream.",
  },
  CHAT_UPSTREAM_MAX_TOKENS_PARAMETER: {
    default: 'max_tokens',
    about: 'What bounds an answer: max_tokens, max_completion_tokens or none.',
  },
  CHAT_UPSTREAM_SYSTEM_ROLE: {
    default: 'system',
    about: 'Role of the instructions: system, developer, or user, before the first message.',
  },
  CHAT_UPSTREAM_STREAM_USAGE: {
    default: 'on',
    about: 'on asks for token counts by stream_options; off does not.',
  },
  CHAT_UPSTREAM_TIMEOUT_SECONDS: {
    default: '60',
    about: 'How long it may go without sending anything.',
  },

  ADMIN_EMAIL: { about: 'Made an admin at the first start, with ADMIN_PASSWORD.' },
  ADMIN_PASSWORD: { about: 'If both are empty, a password is made and printed once.' },
  REGISTRATION: { default: 'closed', about: 'open lets anyone register.' },
  ACCESS_TOKEN_TTL_SECONDS: { default: '900', about: 'Life of an access token.' },
  REFRESH_TOKEN_TTL_SECONDS: {
    default: '604800',
    about: 'Life of a refresh token since its last use.',
  },
  BCRYPT_COST: { default: '11', about: 'Each step doubles the work of checking a password.' },
  SIGNING_KEYS_FILE: {
    about:
      'Private JWK Set, Ed25519, the first signs; required with DATABASE_URL: npm run secrets.',
  },
  SERVER_SECRET: {
    about: '32 bytes or more, never changed; required with DATABASE_URL: npm run secrets.',
  },

  MAX_OPEN_STREAMS: { default: '5', about: 'Streams that one caller may have open at once.' },
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
