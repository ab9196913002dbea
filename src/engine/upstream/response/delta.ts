import { asObject, hasContent, type Json, readText } from '../../../lib/json.ts'

/** The content of one piece of a message, whatever its form. */
export interface Delta {
  /** Text of the answer; a refusal of the model counts as one. */
  readonly text?: string
  /** Whether it holds reasoning, which is never shown but proves that the model is working. */
  readonly isReasoning: boolean
  /** Whether it holds a part of a tool call. */
  readonly isToolCall: boolean
}

/** The fields in which servers send reasoning beside the answer. */
const REASONING_FIELDS = [
  ...['reasoning_content', 'reasoning', 'reasoning_text', 'reasoning_details'],
  ...['thinking', 'thinking_blocks', 'thinking_content'],
]
const REASONING_PARTS = ['thinking', 'redacted_thinking', 'reasoning', 'reasoning_text', 'think']
const TEXT_PARTS = [undefined, 'text', 'output_text']

/** Reads the `delta` of a chunk or the `message` of a whole answer. */
export function readDelta(message: Json | undefined): Delta {
  const parts = partsOf(message?.['content'])
  const isAllReasoning = isGoogleThought(message)
  const texts = [...parts.map(textOf), message?.['refusal']].map(readText)
  const text = isAllReasoning ? '' : texts.map((one) => one ?? '').join('')
  return {
    ...(text !== '' && { text }),
    isReasoning:
      REASONING_FIELDS.some((name) => hasContent(message?.[name])) ||
      parts.some(isReasoningPart) ||
      (isAllReasoning && parts.length > 0),
    isToolCall: hasContent(message?.['tool_calls']) || hasContent(message?.['function_call']),
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

function isReasoningPart(part: Json): boolean {
  return REASONING_PARTS.includes(String(part['type'])) || hasContent(part['thinking'])
}

/** Gemini marks content that summarises its reasoning. */
function isGoogleThought(message: Json | undefined): boolean {
  const google = asObject(asObject(message?.['extra_content'])?.['google'])
  return google?.['thought'] === true
}
