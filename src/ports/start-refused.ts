/**
 * The program cannot start, or a command cannot do its work, for a reason that an operator can mend.
 * The message is for the operator: what is wrong, and what to do. It quotes no secret.
 */
export class StartRefused extends Error {
  override readonly name: string = 'StartRefused'
}
