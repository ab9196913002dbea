import type { RequestHandler } from 'express'
import type { Policies } from '../../contract/policy.ts'
import type { OperationId } from '../../contract/types.ts'
import type { AppParts, HttpSettings } from '../app-parts.ts'
import { securityHeaders } from '../response/security-headers.ts'
import { crossOrigin } from './cross-origin.ts'
import { logRequests } from './request-log.ts'
import { traceRequests } from './request-trace.ts'
import { keepToHttps, requireHttps } from './transport.ts'
import { routeOf } from './unmatched.ts'
import { asNoPreflight, assumeOrigin, throwRefusal } from './unreadable-requests.ts'

type Parts = Pick<AppParts, 'contract' | 'policies' | 'deps' | 'settings'>

/** Health checks come from inside the network, over plain HTTP, even where HTTPS is required. */
const HEALTH_CHECKS: ReadonlySet<string> = new Set<OperationId>(['getHealth', 'getReadiness'])

/** The steps of every request, before its route is looked up. */
export function arrivalSteps({ contract, policies, deps, settings }: Parts): RequestHandler[] {
  return [
    ...observed(deps),
    securityHeaders,
    ...(speaksHttps(settings) ? [keepToHttps] : []),
    ...crossOrigin(settings.corsOrigins, contract.document),
    ...(settings.requireHttps ? [requireHttps(openPathsOf(policies))] : []),
  ]
}

/** The steps of a request that cannot be read as one, or not safely. The last one throws its refusal. */
export function refusalSteps({ contract, deps, settings }: Parts): RequestHandler[] {
  return [
    ...observed(deps),
    securityHeaders,
    keepToHttps,
    assumeOrigin(settings.corsOrigins),
    ...crossOrigin(settings.corsOrigins, contract.document).map(asNoPreflight),
    throwRefusal,
  ]
}

function observed(deps: Parts['deps']): RequestHandler[] {
  return [logRequests(deps), ...(deps.tracer ? [traceRequests(deps.tracer)] : [])]
}

/** Whether the operator uses HTTPS at all, at the server or at a proxy. */
function speaksHttps({ requireHttps: isRequired, tls }: HttpSettings): boolean {
  return isRequired || tls !== undefined
}

function openPathsOf(policies: Policies): Set<string> {
  const open = policies.operations.filter(({ operationId }) => HEALTH_CHECKS.has(operationId))
  return new Set(open.map((policy) => routeOf(policies, policy)))
}
