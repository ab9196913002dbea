import { Router } from 'express'
import type { Contract } from '../contract/document.ts'
export function createDocs(_parts: { contract: Contract; publicJwks: () => unknown }): Router {
  return Router()
}
