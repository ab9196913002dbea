/** Stops work for a client that has hung up. */
export class HungUp extends Error {
  override readonly name = 'HungUp'

  constructor() {
    super('The client hung up.')
  }
}
