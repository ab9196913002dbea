import { describe, expect, it } from 'vitest'
import {
  DONE,
  deltaOf,
  ends,
  play,
  says,
  streamOf,
  textOf,
  wholeOf,
} from './openai-compatible.given.ts'

describe('the text of an answer', () => {
  const thinkingPart = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }] })

  it.each<[string, object[], string]>([
    [
      'text parts',
      [
        says([
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ]),
      ],
      'AB',
    ],
    ['a single part', [says({ type: 'text', text: 'A' })], 'A'],
    [
      'parts with reasoning and text',
      [says([thinkingPart('hm')]), says([thinkingPart('m'), { text: 'A' }])],
      'A',
    ],
    ['parts of other kinds', [says([{ type: 'image_url', image_url: {} }]), says('A')], 'A'],
    ['a refusal', [deltaOf({ refusal: 'I ' }), deltaOf({ refusal: 'cannot.' })], 'I cannot.'],
    ['a part with a refusal', [says([{ type: 'refusal', refusal: 'No.' }])], 'No.'],
    ...['reasoning_content', 'reasoning', 'thinking'].map((name): [string, object[], string] => [
      name,
      [deltaOf({ [name]: 'hm' }), says('A')],
      'A',
    ]),
    ['reasoning_details', [deltaOf({ reasoning_details: [{ text: 'hm' }] }), says('A')], 'A'],
    [
      'a summary of the reasoning',
      [deltaOf({ content: 'hm', extra_content: { google: { thought: true } } }), says('A')],
      'A',
    ],
  ])('contains the text, but no reasoning, of %s', async (_, events, text) => {
    const { parts } = await play(streamOf([...events, ends('stop'), DONE]))

    expect(textOf(parts)).toBe(text)
  })

  it.each<[string, string, string]>([
    ['one block', '<think>hm</think>\n\nYes', 'Yes'],
    ['white space before the block', '\n <think>\nhm\n</think>Yes', 'Yes'],
    ['two blocks', '<think>a</think>\n<think>b</think>\nYes', 'Yes'],
    ['an empty block', '<think>\n\n</think>\n\nYes', 'Yes'],
    ['an end mark alone', '</think>\n\nYes', 'Yes'],
    ['other marks', '[THINK]hm[/THINK]Yes', 'Yes'],
    ['marks within the block', '<think>a <think> b < </thin c</think>Yes', 'Yes'],
    ['a mark within the answer', 'It is <think>this</think>.', 'It is <think>this</think>.'],
    ['a mark within the answer after a thought', '<think>a</think>Say <think>', 'Say <think>'],
    ['a similar beginning', '<thinner> is a word', '<thinner> is a word'],
    ['a mark that is cut off', '<thi', '<thi'],
    ['white space without a block', '\n\n Yes', '\n\n Yes'],
    ['much white space', `${' '.repeat(5_000)}<think>`, `${' '.repeat(5_000)}<think>`],
  ])(
    'does not begin with a block of reasoning, wherever the chunks end: %s',
    async (_, content, text) => {
      for (const size of [1, 3, 7, content.length]) {
        const words = content.match(new RegExp(`[^]{1,${size}}`, 'gu'))!
        const { parts } = await play({ words: words.length > 200 ? [content] : words })
        expect(textOf(parts)).toBe(text)
      }
    },
  )

  it('has no reasoning when the answer is not streamed either', async () => {
    const message = { content: '<think>hm</think>Yes', reasoning_content: 'hm' }

    const { parts } = await play(wholeOf({ choices: [{ message }] }))

    expect(textOf(parts)).toBe('Yes')
  })
})
