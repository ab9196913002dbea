import { describe, expect, it } from 'vitest'
import { defaultMode } from '../../src/domain/chat/modes.ts'
import { BuiltinEngine } from '../../src/engine/builtin/builtin.ts'
import type { EnginePart, TurnMessage } from '../../src/engine/engine.ts'
import { engine, instant, partsOf, say, talk, textOf } from './builtin.given.ts'

describe('the built-in engine', () => {
  it.each([
    ['My name is Grace Hopper.', 'What is my name?', 'Grace Hopper'],
    ["I'm Bob", 'do you know my name?', 'Bob'],
    ['I live in New York, near the park', 'where do I live', 'New York'],
    ['i really like Jazz', 'What do I like?', 'Jazz'],
    ["Let's talk about the Roman Empire", 'what were we talking about?', 'the Roman Empire'],
    ['My favorite color is Blue', 'What is my favorite color?', 'Blue'],
    ["My dog's name is Rex", "What's my dog's name?", 'Rex'],
    ['제 이름은 김민수예요', '내 이름이 뭐야?', '김민수 님'],
    ['저는 박서준이라고 해요', '제 이름 기억해요?', '박서준 님'],
    ['저는 부산 해운대에 살아요', '내가 어디 사는지 알아?', '부산 해운대에'],
    ['난 고양이를 진짜 좋아해', '내가 뭘 좋아하지?', '고양이를'],
    ['우리 클래식 음악 이야기 하자', '무슨 얘기 하고 있었지?', '클래식 음악'],
    ['My name is 민지', '제 이름 알아요?', '민지 님'],
  ])('remembers "%s" in the words of the user', async (statement, question, remembered) => {
    expect(await say(statement, 'Thanks', question)).toContain(remembered)
  })

  it.each([
    ['what is 12 * 7', '84'],
    ["What's 15% of 80?", '12'],
    ['calculate (1 + 2) ^ 3 - 0.5', '26.5'],
    ['0.1 + 0.2', '0.3'],
    ['how much is 1,000 divided by 8?', '125'],
    ['12 곱하기 7은?', '84예요'],
    ['3 더하기 4 곱하기 2는 얼마예요?', '11이에요'],
    ['1 / 0', 'no finite answer'],
    ['5 나누기 0은?', '0으로 나누'],
  ])('solves "%s"', async (question, result) => {
    expect(await say(question)).toContain(result)
  })

  it('says that it follows rules and is not a language model, and how to connect one', async () => {
    expect(await say('Are you human?')).toMatch(/not a language model|not even a language model/)
    expect(await say('How do you work?')).toContain('CHAT_UPSTREAM_URL')
    expect(await say('너 사람이야?')).toMatch(/프로그램|규칙/)
    expect(await say('어떻게 작동해?')).toContain('CHAT_UPSTREAM_URL')
  })

  it('answers in the language of the message', async () => {
    const [korean, english, again] = await talk(['안녕하세요', 'hello', '농담 해줘'])

    expect(korean).toMatch(/[가-힣]/)
    expect(english).not.toMatch(/[가-힣]/)
    expect(again).toMatch(/[가-힣]/)
  })

  it('relates yes and no to its own question', async () => {
    const [first, second, stop] = await talk(['tell me a joke', 'yes', 'no'])

    expect(first).toMatch(/\?$/)
    expect(second).not.toBe(first)
    expect(stop).toMatch(/jokes|material/)
    expect(await say('농담 하나 해줘', '아니 괜찮아')).toMatch(/농담은 여기까지|밑천/)
  })

  it('reflects what users say about themselves', async () => {
    expect(await say('I feel sad because my boss ignores me')).toMatch(/your boss ignores you/)
  })

  it('varies its words when it does not understand', async () => {
    const answers = await talk(['qwxz vbnm', 'plgh trew', 'zxcv mnbq', 'hjkl poiu'])

    expect(new Set(answers).size).toBe(4)
  })

  it('takes the reply to its question as a name only if it can be one', async () => {
    expect(await say('What is my name?', 'why')).not.toContain('meet you')
    expect(await say('What is my name?', 'Zoë')).toContain('Zoë')
  })

  it('responds to every sentence of a message', async () => {
    const answer = await say('Hi! My name is Ada. What can you do?')

    expect(answer).toContain('Ada')
    expect(answer).toContain('arithmetic')
  })

  it('repeats all that it knows about the user in whole sentences', async () => {
    const answers = await talk([
      'My name is Ada',
      "My dog's name is Rex",
      'what do you know about me?',
    ])

    expect(answers.at(-1)).toContain('your name is Ada')
    expect(answers.at(-1)).toContain("your dog's name is Rex")
  })
})

describe('the answer to a turn', () => {
  const texts = [
    'Hi',
    'My name is Ada',
    'I like tea',
    'joke',
    'yes',
    'hm',
    'what do you know about me?',
  ]
  const long = Array.from({ length: 75 }, (_, index) => texts[index % texts.length]!)

  it('is the same on an instance that does not know the conversation', async () => {
    const messages: TurnMessage[] = []

    for (const [index, answer] of (await talk(long, { conversationId: 'long' })).entries()) {
      messages.push({ role: 'user', content: long[index]! })
      // Every few turns, an engine with an empty memory answers too.
      if (index % 9 === 0) {
        const other = new BuiltinEngine(instant)
        expect(textOf(await partsOf(messages, { on: other, conversationId: 'long' }))).toBe(answer)
      }
      messages.push({ role: 'assistant', content: answer })
    }
  })

  it('is the same for every repetition', async () => {
    const messages: TurnMessage[] = [{ role: 'user', content: 'tell me a joke' }]
    const first = textOf(await partsOf(messages))
    messages.push({ role: 'assistant', content: first }, { role: 'user', content: 'yes' })

    const answers = [await partsOf(messages), await partsOf(messages), await partsOf(messages)]

    expect(new Set(answers.map(textOf)).size).toBe(1)
  })

  it('is the same while other conversations are in progress', async () => {
    const names = ['Ada', 'Grace', 'Alan', '민수', 'Edsger']
    const textsOf = (name: string) => [`My name is ${name}`, 'joke', 'yes', 'What is my name?']

    const conversations = await Promise.all(
      names.map((name) => talk(textsOf(name), { conversationId: name })),
    )

    for (const [index, answers] of conversations.entries()) {
      const name = names[index]!
      expect(answers.at(-1)).toContain(name)
      const alone = { conversationId: name, on: new BuiltinEngine(instant) }
      expect(await talk(textsOf(name), alone)).toEqual(answers)
    }
  })
})

describe('the delivery of an answer', () => {
  it('streams each word with its space, then ends once with an estimate of its usage', async () => {
    const parts = await partsOf([{ role: 'user', content: 'What can you do?' }])
    const texts = parts.filter((part) => part.type === 'text').map(({ text }) => text)

    expect(texts.length).toBeGreaterThan(5)
    for (const text of texts) expect(text).toMatch(/^\S+\s*$/)
    expect(parts.at(-1)).toMatchObject({
      type: 'end',
      model: 'parley-rules-1',
      usage: { source: 'estimated' },
    })
    expect(parts.filter((part) => part.type === 'end')).toHaveLength(1)
  })

  it('is shorter in the mode concise and longer in the mode creative', async () => {
    const texts = ['how do you work?']

    const [plain] = await talk(texts)
    const [concise] = await talk(texts, { mode: 'concise' })
    const [creative] = await talk(texts, { mode: 'creative' })

    expect(plain!.startsWith(concise!)).toBe(true)
    expect(concise!.length).toBeLessThan(plain!.length)
    expect(creative!.startsWith(plain!)).toBe(true)
    expect(creative!.length).toBeGreaterThan(plain!.length)
  })

  it('contains whole jokes in the mode concise too', async () => {
    const texts = ['tell me a joke', ...Array<string>(5).fill('yes')]

    const jokes = await talk(texts)
    const concise = await talk(texts, { mode: 'concise' })

    for (const [index, joke] of concise.entries()) {
      expect(jokes[index]!.slice(joke.length)).toMatch(/^ [^.!?]+\?$/)
    }
  })

  it('always contains the number of a helpline after a mention of suicide', async () => {
    expect(await talk(['I want to die'], { mode: 'concise' })).toEqual([
      expect.stringContaining('988'),
    ])
    expect(await talk(['죽고 싶어'], { mode: 'concise' })).toEqual([expect.stringContaining('109')])
    expect((await talk(['I want to die'], { mode: 'creative' }))[0]).toMatch(/116 123\.$/)
    expect(await say('I want to die. Hello. What can you do? Thanks.')).toContain('988')
  })

  it('stops at the next word when the caller aborts, without a wait between words', async () => {
    const abort = new AbortController()
    const messages = [{ role: 'user' as const, content: 'help' }]
    const parts = engine.answer({ conversationId: 'c1', mode: defaultMode, messages }, abort.signal)
    await parts.next()

    abort.abort(new Error('left'))

    await expect(parts.next()).rejects.toThrow('left')
  })

  it('waits between words, not before the first, and stops in a wait when the caller aborts', async () => {
    const abort = new AbortController()
    const waits: number[] = []
    const slow = new BuiltinEngine({
      wait: async (ms, signal) => {
        waits.push(ms)
        if (waits.length === 3) abort.abort(new Error('left'))
        signal?.throwIfAborted()
      },
    })
    const texts: string[] = []
    const turn = {
      conversationId: 'c1',
      mode: defaultMode,
      messages: [{ role: 'user' as const, content: 'help' }],
    }

    const reading = (async () => {
      for await (const part of slow.answer(turn, abort.signal)) {
        if (part.type === 'text') texts.push(part.text)
        if (texts.length === 1) expect(waits).toEqual([])
      }
    })()

    await expect(reading).rejects.toThrow('left')
    expect(texts).toHaveLength(3)
    expect(waits).toEqual([15, 15, 15])
  })

  it('has no waits when it is delivered whole', async () => {
    const waits: number[] = []
    const paced = new BuiltinEngine({ wait: async (ms) => void waits.push(ms) })
    const messages = [{ role: 'user' as const, content: 'help' }]
    const turn = { conversationId: 'c1', mode: defaultMode, messages, delivery: 'whole' as const }
    let last: EnginePart | undefined

    for await (const part of paced.answer(turn, new AbortController().signal)) last = part

    expect(last).toMatchObject({ type: 'end' })
    expect(waits).toEqual([])
  })
})
