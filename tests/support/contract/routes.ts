import { createDocs } from '../../../src/http/docs/docs.ts'
import { ASSETS } from '../../../src/http/docs/assets.ts'
import { routeOf } from '../../../src/http/request/unmatched.ts'
import { contract, policies } from './contract.ts'
import { moved, operations } from './operations.ts'

/** One thing that the server answers: `path` has an id for each parameter, `pattern` matches any. */
export type Route = { method: string; path: string; pattern: RegExp }

const ID = '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10'
const NAMES: Readonly<Record<string, readonly string[]>> = {
  '/docs/problems/:name': contract.document.components.schemas['ProblemCode']!.enum!,
  '/docs/assets/:name': Object.keys(ASSETS),
}

/** Every route of the contract, at its old place too, and of what stands beside it. */
export function allRoutes(): Route[] {
  return [...ofOperations(), ...ofMoved(), ...beside()]
}

function ofOperations(): Route[] {
  return operations.map((operation) => {
    const route = routeOf(policies, operation)
    return routeTo(operation.method.toUpperCase(), route)
  })
}

function ofMoved(): Route[] {
  return moved.map(({ method, from }) => routeTo(method.toUpperCase(), from))
}

/** Asked of the router itself, so that a new page is found by itself. */
function beside(): Route[] {
  const router = createDocs({
    contract,
    publicJwks: () => ({}),
    securityContacts: ['mailto:security@example.com'],
  })
  return router.stack
    .map(({ route }) => route!.path)
    .flatMap((path) => NAMES[path]?.map((name) => path.replace(':name', name)) ?? [path])
    .map((path) => routeTo('GET', path))
}

function routeTo(method: string, route: string): Route {
  const pattern = new RegExp(`^${route.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`)
  return { method, path: route.replaceAll(/:\w+/g, ID), pattern }
}
