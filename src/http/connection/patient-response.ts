import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import { startTurn } from './pipeline.ts'
import type { ReaderWatch } from './slow-reader.ts'

/** What hears of the responses of one server as they are sent. */
export type ResponseObservers = { connections: Connections; readers: ReaderWatch }

/**
 * The class of all responses of one server: each waits for its turn on the connection, and none waits
 * for its reader without end. Every byte of a response passes here, whatever writes it.
 */
export function createPatientResponse({ connections, readers }: ResponseObservers) {
  return class PatientResponse extends ServerResponse {
    declare start?: () => void

    override write(chunk: never, ...rest: never[]): boolean {
      const goesOn = super.write(chunk, ...rest)
      if (!goesOn && this.socket) readers.watch(this.socket)
      return goesOn
    }

    override end(...given: never[]): this {
      super.end(...given)
      if (this.socket && this.socket.writableLength > 0) readers.watch(this.socket)
      return this
    }

    /** Node calls it in the turn of this response. */
    override assignSocket(socket: Socket): void {
      super.assignSocket(socket)
      startTurn(this)
    }

    /** Node calls it when this response has been sent. */
    override detachSocket(socket: Socket): void {
      super.detachSocket(socket)
      connections.noteEnd(socket)
    }
  }
}
