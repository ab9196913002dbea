import { unescapeSyntax } from './escape.ts'
import type { Language } from './sentence.ts'
import { chooseParticles } from './particles.ts'

/** `‹…›` marks a reply for later rules; `¦` joins two sentences into one. */
const MARKS = /\s*‹[^›]*›/g
const JOINT = /\s*¦\s*/g
const FIRST_SENTENCE = /^.*?[.!?…]+["'”’)]*(?=\s|$)/su

/** A metaphor does not suit a serious reply. */
const SERIOUS = /‹(?:grave|listen|rest)›/

const COLOUR: Record<Language, readonly string[]> = {
  english: [
    'Small talk is a paper boat: light, but it does cross the pond. ⛵',
    'If words were lanterns, this one would hang by the door. 🏮',
    'Picture it as a window left open on the first warm evening of the year. 🌿',
    'I keep your words like pebbles in a coat pocket, smooth from turning. 🪨',
    'Every question is a little map; this one smells of rain and ink. 🗺️',
    'Somewhere a clock stops ticking for a second, just to listen. 🕰️',
    'Think of me as a music box: few tunes, played with all my heart. 🎵',
    'A sentence is a seed, and you have just planted one. 🌱',
  ],
  korean: [
    '말은 종이배 같아요. 가볍지만 연못을 건너가거든요. ⛵',
    '방금 하신 말, 처마 끝에 작은 등불처럼 걸어 둘게요. 🏮',
    '첫 따뜻한 저녁에 열어 둔 창문 같은 순간이에요. 🌿',
    '하신 말씀을 조약돌처럼 주머니에 넣고 굴려 보고 있어요. 🪨',
    '질문은 작은 지도 같아요. 이번 지도에서는 비 냄새가 나네요. 🗺️',
    '어딘가에서 시계가 잠깐 멈추고 귀를 기울이는 것 같아요. 🕰️',
    '저는 오르골 같아요. 곡은 적어도 온 마음으로 연주해요. 🎵',
    '문장 하나는 씨앗 하나예요. 방금 하나를 심으셨네요. 🌱',
  ],
}

/** The reply in the style of the mode: its first sentence, with a line of colour, or as it is. */
export function styleReply(raw: string, language: Language, modeId: string, turn: number): string {
  const plain = chooseParticles(raw.replace(MARKS, '').replace(JOINT, '¦')).trim()
  if (modeId === 'concise') return finish(FIRST_SENTENCE.exec(plain)?.[0] ?? plain)
  if (modeId === 'creative' && !SERIOUS.test(raw)) {
    return finish(`${plain} ${colourOf(language, turn)}`)
  }
  return finish(plain)
}

/** A whole line and an emoji alternate: a line after every reply would become tedious. */
function colourOf(language: Language, turn: number): string {
  const lines = COLOUR[language]
  const line = lines[Math.floor(turn / 2) % lines.length] ?? ''
  return turn % 2 === 0 ? line : line.slice(line.lastIndexOf(' ') + 1)
}

function finish(text: string): string {
  return unescapeSyntax(text.replaceAll('¦', ' '))
}
