import type { RequestShape } from './request-shape.ts'

/** More than anybody's upstream has in use. */
const MOST_MODELS = 100

/** How each model of one upstream wants to be asked, as far as it was found out since the start. */
export class LearnedShapes {
  readonly #first: RequestShape
  readonly #found = new Map<string, Partial<RequestShape>>()

  /** @param first how a model is asked of which nothing is known */
  constructor(first: RequestShape) {
    this.#first = first
  }

  of(model: string): RequestShape {
    return { ...this.#first, ...this.#found.get(model) }
  }

  /**
   * Keeps what a model has taken.
   * @returns the part of it that is new
   */
  learn(model: string, changes: Partial<RequestShape>): Partial<RequestShape> {
    const known = this.of(model)
    const news = Object.fromEntries(
      Object.entries(changes).filter(
        ([name, value]) => known[name as keyof RequestShape] !== value,
      ),
    )
    const found = { ...this.#found.get(model), ...news }
    this.#found.delete(model)
    this.#found.set(model, found)
    const [oldest] = this.#found.keys()
    if (this.#found.size > MOST_MODELS && oldest !== undefined) this.#found.delete(oldest)
    return news
  }
}
