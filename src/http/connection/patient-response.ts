import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Connections } from './connections.ts'
import type { ReaderWatch } from './slow-reader.ts'
import { beginTurn } from './pipeline.ts'

/** What the answers of one server tell as they go out. */
export type AnswerEars = { connections: Pick<Connections, 'noteEnd'>; readers: ReaderWatch }

/**
 * The class of all answers of one server: they wait for their turn on the connection, and none waits
 * for ever for its reader. Every byte of an answer passes here, whoever writes it.
 */
export function createPatientResponse(ears: AnswerEars) {
  return class PatientResponse extends ServerResponse {
    declare begin?: () => void

    override write(chunk: never, ...rest: never[]): boolean {
      const goesOn = super.write(chunk, ...rest)
      if (!goesOn && this.socket) ears.readers.watch(this.socket)
      return goesOn
    }

    override end(...given: never[]): this {
      super.end(...given)
      if (this.socket && this.socket.writableLength > 0) ears.readers.watch(this.socket)
      return this
    }

    /** Node calls it when it is this answer's turn, */
    override assignSocket(socket: Socket): void {
      super.assignSocket(socket)
      beginTurn(this)
    }

    /** and this when the answer has been sent. */
    override detachSocket(socket: Socket): void {
      super.detachSocket(socket)
      ears.connections.noteEnd(socket)
    }
  }
}
