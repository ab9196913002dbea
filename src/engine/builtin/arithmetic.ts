/** What remains of a question without its words: an operator between two numbers. */
const EXPRESSION = /^(?=.*[\d)]\s*[-+*/^]\s*[-(]?\s*[\d(])[\d\s.+\-*/^()]{3,200}$/
const DATE_OR_PHONE = /^\d{2,4}-\d{1,4}-\d{1,4}$/
const MAX_DEPTH = 50

const SPOKEN: readonly (readonly [RegExp, string])[] = [
  [/(\d)\s*(?:percent|%|퍼센트)\s*(?:of|의)\s*(\d)/g, '$1 / 100 * $2'],
  [/(\d),(?=\d{3}\b)/g, '$1'],
  [/\b(?:plus|added to)\b|더하기|＋/g, '+'],
  [/\b(?:minus|subtracted by)\b|빼기|−|–/g, '-'],
  [/\b(?:times|multiplied by)\b|곱하기|[×✕·∙]/g, '*'],
  [/(\d)\s*x\s*(?=\d)/g, '$1*'],
  [/\b(?:divided by|over)\b|나누기|÷/g, '/'],
  [/\bto the power of\b|\*\*/g, '^'],
  [/\bsquared\b|의 ?제곱/g, '^2'],
]

const AROUND =
  /^(?:so|ok|okay|hey|please|and|then|now|can you|could you|tell me|what is|what's|whats|what are|how much is|calculate|compute|solve|그럼|그러면|혹시|계산|해줘)\s+|(?:\s*(?:please|is|equals|는|은|이|가|을|를|좀|뭐|얼마|몇|무엇|답|계산|해|해봐|해줘|주세요|주실래요|인가요|일까요|이에요|예요|이야|야|입니까|알려|지|죠|니))+$/

/** The arithmetic expression in a sentence, with signs for words; undefined if there is none. */
export function findArithmetic(sentence: string): string | undefined {
  if (sentence.length > 200 || !/\d/.test(sentence)) return undefined
  let text = sentence.toLowerCase().replace(/[?!~]|=\s*\??\s*$/g, ' ')
  for (const [spoken, sign] of SPOKEN) text = text.replace(spoken, sign)
  for (let before = ''; before !== text;) {
    before = text
    text = text.trim().replace(AROUND, '').replace(/\.$/, '')
  }
  return EXPRESSION.test(text) && !DATE_OR_PHONE.test(text) ? text.replace(/\s+/g, ' ') : undefined
}

/**
 * Evaluates an expression; undefined if it is malformed. A division by zero gives Infinity or NaN.
 */
export function evaluate(expression: string): number | undefined {
  const tokens = expression.match(/\d+(?:\.\d+)?|\.\d+|[-+*/^()]|[^\s]/g) ?? []
  const parser = new ExpressionParser(tokens)
  return parser.parse()
}

/** Formats a result as a person writes it: at most 12 digits, without floating-point noise. */
export function formatNumber(value: number): string {
  const rounded = Number(value.toPrecision(12))
  return Math.abs(rounded) < 1e15 ? String(rounded) : rounded.toExponential(6)
}

/**
 * Recursive descent: sums of products of powers; `^` binds to the right and above a leading minus.
 */
class ExpressionParser {
  readonly #tokens: readonly string[]
  #position = 0
  #depth = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  parse(): number | undefined {
    const value = this.#sum()
    return this.#position === this.#tokens.length ? value : undefined
  }

  #sum(): number | undefined {
    let left = this.#product()
    for (let sign = this.#take('+', '-'); sign; sign = this.#take('+', '-')) {
      const right = this.#product()
      if (left === undefined || right === undefined) return undefined
      left = sign === '+' ? left + right : left - right
    }
    return left
  }

  #product(): number | undefined {
    let left = this.#signed()
    for (let sign = this.#take('*', '/'); sign; sign = this.#take('*', '/')) {
      const right = this.#signed()
      if (left === undefined || right === undefined) return undefined
      left = sign === '*' ? left * right : left / right
    }
    return left
  }

  #signed(): number | undefined {
    if (this.#depth > MAX_DEPTH) return undefined
    this.#depth++
    const negative = this.#take('-')
    const value = negative ? this.#signed() : this.#power()
    this.#depth--
    return negative && value !== undefined ? -value : value
  }

  #power(): number | undefined {
    const base = this.#atom()
    if (!this.#take('^')) return base
    const exponent = this.#signed()
    return base === undefined || exponent === undefined ? undefined : base ** exponent
  }

  #atom(): number | undefined {
    if (!this.#take('(')) return this.#number()
    const inner = this.#sum()
    return this.#take(')') ? inner : undefined
  }

  #number(): number | undefined {
    const token = this.#tokens[this.#position]
    if (token === undefined || !/^[\d.]+$/.test(token)) return undefined
    this.#position++
    return Number(token)
  }

  #take(...signs: string[]): string | undefined {
    const token = this.#tokens[this.#position]
    if (token === undefined || !signs.includes(token)) return undefined
    this.#position++
    return token
  }
}
