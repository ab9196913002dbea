import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import type { Policies, Policy } from '../../contract/policy.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import { chargeAnonymous } from './rate-limit.ts'

/*
 * Requests that no operation answers: a path that there is not, a method that the path has not.
 * They count by their address, whoever sends them.
 */

/** Where an operation is mounted. */
export function routeOf({ basePath }: Policies, { path }: Policy): string {
  return basePath + path.replaceAll(/\{(\w+)\}/g, ':$1')
}

/** For each route of the contract, old places included, its methods as `Allow` names them. */
export function methodsByRoute(policies: Policies): Map<string, string> {
  const methods = new Map<string, string>()
  const add = (route: string, method: string, isAct: boolean) => {
    const name = method === 'get' && !isAct ? 'GET, HEAD' : method.toUpperCase()
    methods.set(route, [methods.get(route), name].filter(Boolean).join(', '))
  }
  for (const policy of policies.operations) {
    if (policy.movedTo !== undefined) continue
    add(routeOf(policies, policy), policy.method, policy.audit.length > 0)
  }
  for (const moved of policies.moved) add(moved.from, moved.method, false)
  return methods
}

/** A question about methods is free, as the preflights are that browsers send unasked. */
export function countAnonymous(limits: Limits): RequestHandler {
  return async (req, _res, next) => {
    if (req.method !== 'OPTIONS') await chargeAnonymous(req.call, limits)
    next()
  }
}

/** A path that the router cannot decode fails before any operation could count it. */
export function countUndecodable(limits: Limits): ErrorRequestHandler {
  return async (error: unknown, req, _res, next) => {
    const isFree = req.method === 'OPTIONS' || !(error instanceof URIError)
    if (!isFree && !req.call.policy) await chargeAnonymous(req.call, limits)
    next(error)
  }
}

/** What the path has is told to whoever asks by OPTIONS, and to whoever tried something else. */
export function refuseMethod(allow: string): RequestHandler {
  return (req, res) => {
    if (req.method !== 'OPTIONS') throw new Problem('method-not-allowed', { allow })
    tellMethods(res, allow)
  }
}

/** `OPTIONS *` (RFC 9110 9.3.7) asks about the server as a whole. */
export function answerOptionsOfServer(methods: ReadonlyMap<string, string>): RequestHandler {
  const all = [...methods.values()].flatMap((allow) => allow.split(', '))
  const allow = [...new Set(all)].sort().join(', ')
  return (req, res, next) => {
    if (req.method === 'OPTIONS' && req.url === '*') tellMethods(res, allow)
    else next()
  }
}

function tellMethods(res: Response, allow: string): void {
  res.statusCode = 204
  res.setHeader('Allow', allow)
  res.end()
}

export const refusePath: RequestHandler = () => {
  throw new Problem('not-found')
}
