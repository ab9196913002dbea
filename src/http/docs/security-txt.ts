import type { RequestHandler } from 'express'
import type { Clock } from '../../ports/clock/clock.ts'
import { fixedAnswer, sendFixed } from './fixed-answer.ts'

const DAY_MS = 86_400_000
/** RFC 9116 section 2.5.5 advises less than a year; a server that runs renews it every day. */
const LIFETIME_DAYS = 90

/**
 * /.well-known/security.txt (RFC 9116): where a hole may be reported. It expires when the
 * server has not been asked for `LIFETIME_DAYS`.
 * @param contacts mailto: and https: URIs, the preferred one first
 */
export function answerSecurityTxt(contacts: readonly string[], clock: Clock): RequestHandler {
  return (req, res) => {
    const text = securityTxt(contacts, clock.now())
    sendFixed(res, fixedAnswer(text, 'text/plain; charset=utf-8'), req.headers['if-none-match'])
  }
}

function securityTxt(contacts: readonly string[], now: Date): string {
  const today = now.getTime() - (now.getTime() % DAY_MS)
  const expires = new Date(today + LIFETIME_DAYS * DAY_MS).toISOString()
  const fields = [
    ...contacts.map((contact) => `Contact: ${contact}`),
    `Expires: ${expires}`,
    'Preferred-Languages: en, ko',
  ]
  return fields.join('\n') + '\n'
}
