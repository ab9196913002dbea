import type { RequestShape } from './request-shape.ts'

/** More than any upstream has in use. */
const MOST_MODELS = 100

/** The request shapes that the models of one upstream accept, as learned since the start. */
export class LearnedShapes {
  readonly #initial: RequestShape
  readonly #learned = new Map<string, Partial<RequestShape>>()

  /** @param initial the shape for a model of which nothing is known */
  constructor(initial: RequestShape) {
    this.#initial = initial
  }

  /** The shape to use for a model. */
  of(model: string): RequestShape {
    return { ...this.#initial, ...this.#learned.get(model) }
  }

  /**
   * Keeps the changes after which a model accepted a request.
   * @returns those that are new
   */
  learn(model: string, changes: Partial<RequestShape>): Partial<RequestShape> {
    const known = this.of(model)
    const news = Object.fromEntries(
      Object.entries(changes).filter(
        ([name, value]) => known[name as keyof RequestShape] !== value,
      ),
    )
    const learned = { ...this.#learned.get(model), ...news }
    this.#learned.delete(model)
    this.#learned.set(model, learned)
    const [oldest] = this.#learned.keys()
    if (this.#learned.size > MOST_MODELS && oldest !== undefined) this.#learned.delete(oldest)
    return news
  }
}
