import { bodyOf, type Credentials, PASSWORD, type Stage } from './recorder.ts'

const EMAIL = 'ada@example.com'

type Pair = { accessToken: string; refreshToken: string; sessionId: string }

/** Ada registers, signs in, and makes herself at home. */
export async function adaArrives({ tell }: Stage): Promise<Credentials> {
  for (const operationId of ['getHealth', 'getReadiness', 'getStatus', 'listModes'] as const) {
    await tell({}, operationId)
  }
  await tell({}, 'testServer')
  await tell({}, 'register', { body: { email: EMAIL, password: PASSWORD, displayName: 'Ada' } })
  const body = { email: EMAIL, password: PASSWORD }
  const { refreshToken } = bodyOf<Pair>(await tell({}, 'logIn', { body }))
  const refreshed = await tell({}, 'refreshTokens', { body: { refreshToken } })
  const ada = { Authorization: `Bearer ${bodyOf<Pair>(refreshed).accessToken}` }
  const profile = await tell(ada, 'getProfile')
  const version = profile.headers['etag']!
  await tell(ada, 'getProfile', { headers: { 'If-None-Match': version } })
  const preferences = { defaultMode: 'balanced', locale: 'ko-KR', timeZone: 'Asia/Seoul' }
  await tell(ada, 'replaceProfile', {
    headers: { 'If-Match': version },
    body: { displayName: 'Ada L.', preferences },
  })
  await tell(ada, 'getRateLimits')
  return ada
}

/** She looks at her sessions, her usage and her data, and leaves for good. */
export async function adaLeaves(stage: Stage, ada: Credentials): Promise<void> {
  const { tell } = stage
  const month = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }
  await tell(ada, 'getUsage', { query: { ...month, granularity: 'day' } })
  await tell(ada, 'exportAccount')
  const other = bodyOf<Pair>(
    await tell({}, 'logIn', { body: { email: EMAIL, password: PASSWORD } }),
  )
  await tell(ada, 'listSessions')
  await tell(ada, 'endSession', { path: { sessionId: other.sessionId } })
  const newPassword = 'wrong zebra battery staple'
  await tell(ada, 'changePassword', { body: { currentPassword: PASSWORD, newPassword } })
  await tell(ada, 'logOut', { body: { scope: 'current' } })
  await tell(await stage.enter(EMAIL, newPassword), 'logOutByLink')
  await tell(await stage.enter(EMAIL, newPassword), 'closeAccount')
}
