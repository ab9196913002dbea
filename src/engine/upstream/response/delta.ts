import { asObject, hasContent, type Json, readText } from '../../../lib/json.ts'

/** What one piece of a message holds, whatever its form. */
export interface Delta {
  /** Of the answer; a refusal is one. */
  readonly text?: string
  /** It holds something of what the model thinks: never shown, and a sign of life. */
  readonly isThought: boolean
  /** It holds something of a call of a tool. */
  readonly isCall: boolean
}

/** The names under which servers send thoughts beside the answer. */
const THOUGHTS = [
  ...['reasoning_content', 'reasoning', 'reasoning_text', 'reasoning_details'],
  ...['thinking', 'thinking_blocks', 'thinking_content'],
]
const THOUGHT_PARTS = ['thinking', 'redacted_thinking', 'reasoning', 'reasoning_text', 'think']
const TEXT_PARTS = [undefined, 'text', 'output_text']

/** Reads a `delta` of a stream or the `message` of a whole answer. */
export function readDelta(message: Json | undefined): Delta {
  const parts = partsOf(message?.['content'])
  const isAllThought = isGoogleThought(message)
  const texts = [...parts.map(textOf), message?.['refusal']].map(readText)
  const text = isAllThought ? '' : texts.map((one) => one ?? '').join('')
  return {
    ...(text !== '' && { text }),
    isThought:
      THOUGHTS.some((name) => hasContent(message?.[name])) ||
      parts.some(isThought) ||
      (isAllThought && parts.length > 0),
    isCall: hasContent(message?.['tool_calls']) || hasContent(message?.['function_call']),
  }
}

function partsOf(content: unknown): Json[] {
  if (typeof content === 'string') return [{ text: content }]
  const parts = Array.isArray(content) ? content : [content]
  return parts.map(asObject).filter((part) => part !== undefined)
}

function textOf(part: Json): unknown {
  if (part['type'] === 'refusal') return part['refusal']
  return TEXT_PARTS.includes(part['type'] as string | undefined) ? part['text'] : undefined
}

function isThought(part: Json): boolean {
  return THOUGHT_PARTS.includes(String(part['type'])) || hasContent(part['thinking'])
}

/** Gemini marks content that is a summary of thoughts. */
function isGoogleThought(message: Json | undefined): boolean {
  const google = asObject(asObject(message?.['extra_content'])?.['google'])
  return google?.['thought'] === true
}
