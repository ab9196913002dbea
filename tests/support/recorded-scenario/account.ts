import { bodyOf, type Credentials, PASSWORD, type Scenario } from './recorder.ts'

const EMAIL = 'ada@example.com'

type Pair = { accessToken: string; refreshToken: string; sessionId: string }

/** Registers Ada, logs in and fills in the profile. */
export async function registerAda({ call }: Scenario): Promise<Credentials> {
  for (const operationId of ['getHealth', 'getReadiness', 'getStatus', 'listModes'] as const) {
    await call({}, operationId)
  }
  await call({}, 'testServer')
  await call({}, 'register', { body: { email: EMAIL, password: PASSWORD, displayName: 'Ada' } })
  const body = { email: EMAIL, password: PASSWORD }
  const { refreshToken } = bodyOf<Pair>(await call({}, 'logIn', { body }))
  const refreshed = await call({}, 'refreshTokens', { body: { refreshToken } })
  const ada = { Authorization: `Bearer ${bodyOf<Pair>(refreshed).accessToken}` }
  const profile = await call(ada, 'getProfile')
  const version = profile.headers['etag']!
  await call(ada, 'getProfile', { headers: { 'If-None-Match': version } })
  const preferences = { defaultMode: 'balanced', locale: 'ko-KR', timeZone: 'Asia/Seoul' }
  await call(ada, 'replaceProfile', {
    headers: { 'If-Match': version },
    body: { displayName: 'Ada L.', preferences },
  })
  await call(ada, 'getRateLimits')
  return ada
}

/** Reads Ada's usage and data, ends sessions in each way, and closes the account. */
export async function closeAdasAccount(scenario: Scenario, ada: Credentials): Promise<void> {
  const { call } = scenario
  const month = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }
  await call(ada, 'getUsage', { query: { ...month, granularity: 'day' } })
  await call(ada, 'exportAccount')
  const other = bodyOf<Pair>(
    await call({}, 'logIn', { body: { email: EMAIL, password: PASSWORD } }),
  )
  await call(ada, 'listSessions')
  await call(ada, 'endSession', { path: { sessionId: other.sessionId } })
  const newPassword = 'wrong zebra battery staple'
  await call(ada, 'changePassword', { body: { currentPassword: PASSWORD, newPassword } })
  await call(ada, 'logOut', { body: { scope: 'current' } })
  await call(await scenario.logIn(EMAIL, newPassword), 'logOutByLink')
  await call(await scenario.logIn(EMAIL, newPassword), 'closeAccount')
}
