/**
 * The contract's own rules for `redocly lint`: requirements of CONTRIBUTING.md on openapi/api.yaml that no
 * built-in rule checks. `parley/all` enables all of them; redocly.yaml sets their options. Plain JavaScript,
 * because redocly cannot load TypeScript.
 */
import { answerRules } from './answers.js'
import { bookRules } from './book.js'
import { nameRules } from './names.js'
import { schemaRules } from './schemas.js'
import { lineRules } from './single-lines.js'

const oas3 = { ...schemaRules, ...nameRules, ...answerRules, ...bookRules, ...lineRules }
const on = Object.keys(oas3).map((name) => [`parley/${name}`, 'error'])

export default function parley() {
  return { id: 'parley', rules: { oas3 }, configs: { all: { rules: Object.fromEntries(on) } } }
}
