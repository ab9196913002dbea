import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import type { Policies, Policy } from '../../contract/policy.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import { chargeAnonymous } from './charges.ts'

/*
 * Requests that no operation serves: the path does not exist, or does not have the method. They are
 * counted by their address, with or without a credential.
 */

/** The path of an operation as Express writes it. */
export function routeOf({ basePath }: Policies, { path }: Policy): string {
  return basePath + path.replaceAll(/\{(\w+)\}/g, ':$1')
}

/** The value of `Allow` for each route of the contract, old URLs included. */
export function methodsByRoute(policies: Policies): Map<string, string> {
  const methods = new Map<string, string>()
  const add = (route: string, method: string, isAudited: boolean) => {
    const name = method === 'get' && !isAudited ? 'GET, HEAD' : method.toUpperCase()
    methods.set(route, [methods.get(route), name].filter(Boolean).join(', '))
  }
  for (const policy of policies.operations) {
    if (policy.movedTo !== undefined) continue
    add(routeOf(policies, policy), policy.method, policy.audit.length > 0)
  }
  for (const moved of policies.moved) add(moved.from, moved.method, false)
  return methods
}

/** Counts a request by its address. OPTIONS is free, as are the preflights that browsers send on their own. */
export function countAnonymous(limits: Limits): RequestHandler {
  return async (req, _res, next) => {
    if (req.method !== 'OPTIONS') await chargeAnonymous(req.call, limits)
    next()
  }
}

/** Counts a path that the router cannot decode: it fails before an operation could count it. */
export function countUndecodable(limits: Limits): ErrorRequestHandler {
  return async (error: unknown, req, _res, next) => {
    const isFree = req.method === 'OPTIONS' || !(error instanceof URIError)
    if (!isFree && !req.call.policy) await chargeAnonymous(req.call, limits)
    next(error)
  }
}

/** Answers OPTIONS with the methods of the path, and refuses any other method. */
export function refuseMethod(allow: string): RequestHandler {
  return (req, res) => {
    if (req.method !== 'OPTIONS') throw new Problem('method-not-allowed', { allow })
    sendAllow(res, allow)
  }
}

/** Answers `OPTIONS *`, which asks about the server as a whole (RFC 9110 9.3.7). */
export function answerOptionsOfServer(methods: ReadonlyMap<string, string>): RequestHandler {
  const all = [...methods.values()].flatMap((allow) => allow.split(', '))
  const allow = [...new Set(all)].sort().join(', ')
  return (req, res, next) => {
    if (req.method === 'OPTIONS' && req.url === '*') sendAllow(res, allow)
    else next()
  }
}

function sendAllow(res: Response, allow: string): void {
  res.statusCode = 204
  res.setHeader('Allow', allow)
  res.end()
}

export const refusePath: RequestHandler = () => {
  throw new Problem('not-found')
}
