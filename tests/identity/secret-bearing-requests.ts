import { connect } from 'node:net'
import type { Identity, Tokens } from '../support/client.ts'

type Login = { email: string; password: string }

/** Returns bodies that the login must refuse, each with the password in it. */
export function invalidBodies({ email, password }: Login): string[] {
  const valid = JSON.stringify({ email, password })
  return [
    valid.slice(0, -1),
    valid.slice(0, -3),
    `${valid}x`,
    valid.replaceAll('"', "'"),
    JSON.stringify({ email, password: [password] }),
    JSON.stringify({ email, password, [password]: password }),
    JSON.stringify({ email, password, remember: password }),
    JSON.stringify([email, password]),
    JSON.stringify(password),
    `{"email":"${email}","password":"${password}","password":"${password}"}`,
    `{"email":"${email}","password":"${password}\\u0000"}`,
    valid + ' '.repeat(300_000),
  ]
}

/** Returns paths with secrets in segments and queries. */
export function pathsWithSecrets({ email, password }: Login, tokens: Tokens): string[] {
  const { accessToken, refreshToken } = tokens
  const encoded = encodeURIComponent(password)
  return [
    `/api/v1/auth/login?email=${email}&password=${encoded}`,
    `/api/v1/users/profile?access_token=${accessToken}`,
    `/api/v1/conversations/${accessToken}`,
    `/api/v1/conversations/${refreshToken}?q=${refreshToken}`,
    `/api/v1/chat/generations/${encoded}`,
    `/api/v1/auth/refresh/${refreshToken}`,
    `/api/v1/${accessToken}/%zz`,
    `/chat?access_token=${accessToken}`,
    `/docs/${accessToken}`,
    `/${refreshToken}`,
    `/%ff${refreshToken}`,
    `//${accessToken}`,
  ]
}

/** Returns headers with secrets, where they belong and where they do not. */
export function headersWithSecrets(
  { accessToken, refreshToken, password }: Identity,
  basic: string,
): Record<string, string>[] {
  return [
    { Authorization: `Bearer ${accessToken}x` },
    { Authorization: `Bearer ${refreshToken}` },
    { Authorization: `Basic ${basic}` },
    { Authorization: accessToken },
    { Cookie: `session=${refreshToken}` },
    { 'X-API-Key': refreshToken },
    { Referer: `https://app.example.com/?token=${accessToken}` },
    { 'User-Agent': `curl/8 ${accessToken}` },
    { 'X-Request-Id': accessToken },
    { 'X-Request-Id': `${password} ` },
    { 'X-Forwarded-For': refreshToken },
    { Forwarded: `for=${refreshToken}` },
    { Origin: `https://${accessToken}` },
    { 'Accept-Language': accessToken },
    { 'If-None-Match': `"${accessToken}"` },
    { Accept: `text/${refreshToken}` },
    { 'Content-Type': `text/${refreshToken}` },
  ]
}

/** Returns requests with secrets that Node's parser refuses, or that are no HTTP at all. */
export function unparsableRequests({ email, password }: Login, tokens: Tokens): string[] {
  const { accessToken, refreshToken } = tokens
  const long = `Authorization: Bearer ${accessToken}${'x'.repeat(20_000)}`
  return [
    `GET /api/v1/users/profile HTTP/1.1\r\nHost: x\r\n${long}\r\n\r\n`,
    `GET /${refreshToken}${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /${refreshToken} HTTP/9.9\r\nHost: x\r\n\r\n`,
    `${accessToken} / HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${accessToken}\u0000\r\n\r\n`,
    `GET / HTTP/1.1\r\nAuthorization: Bearer ${accessToken}\r\n\r\n`,
    JSON.stringify({ email, password }),
  ]
}

/** Sends the beginning of a body to the login and disconnects. */
export async function sendIncompleteBody(url: string, body: string): Promise<void> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  const head = [
    'POST /api/v1/auth/login HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
    `Content-Length: ${body.length + 10}`,
  ]
  await new Promise<void>((resolve) => {
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => resolve())
  })
  socket.destroy()
}
