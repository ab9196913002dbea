import {
  type ContractDocument,
  type OperationObject,
  resolve,
  type ResponseObject,
} from '../document.ts'
import { PROBLEM_TYPE } from '../media-types.ts'

/** A response of an operation, without references. */
export type DocumentedResponse = {
  status: number
  /** Undefined for a response without a body. */
  mediaType: string | undefined
  /** What a handler returns; problems are thrown, and the server itself sends 304 and 308. */
  isReply: boolean
  response: ResponseObject
}

/** Every response that the contract documents for an operation. */
export function responsesOf(
  document: ContractDocument,
  operation: OperationObject,
): DocumentedResponse[] {
  return Object.entries(operation.responses).map(([code, reference]) => {
    const response = resolve(document, reference)
    const [mediaType] = Object.keys(response.content ?? {})
    const status = Number(code)
    const isReply = mediaType !== PROBLEM_TYPE && status !== 304 && status !== 308
    return { status, mediaType, isReply, response }
  })
}
