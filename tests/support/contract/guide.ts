import { loadContract } from '../../../src/contract/document.ts'

/** A block of code between fences, as a reader would copy it. */
export type CodeBlock = { language: string; code: string }

/** The guide: what a reader of the docs meets first. */
export function guideOf(contract = loadContract()): string {
  return contract.document.info.description ?? ''
}

/** Every block of code of a text in Markdown, in order. */
export function codeBlocksOf(markdown: string): CodeBlock[] {
  const blocks = markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)
  return [...blocks].map(([, language = '', code = '']) => ({ language, code }))
}
