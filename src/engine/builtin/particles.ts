const HANGUL_FIRST = 0xac00
const HANGUL_LAST = 0xd7a3
const FINALS = 28
const FINAL_RIEUL = 8
/**
 * Digits whose Korean reading ends in a consonant (영 일 삼 육 칠 팔), and those that end in ㄹ (일 칠 팔).
 */
const DIGITS_WITH_FINAL = '013678'
const DIGITS_WITH_RIEUL = '178'
const LATIN_WITH_FINAL = /[lmnbkptcgd]/i

/** Chooses the form of each `~이/가` by the sound before it: the first one follows a consonant. */
export function chooseParticles(text: string): string {
  return text.replace(
    /([^\s~])?~([가-힣]+)\/([가-힣]+)/gu,
    (_all, before: string | undefined, closed: string, open: string) => {
      const sound = before ?? ''
      // Only 으로/로 treats ㄹ like a vowel.
      const takesClosed = hasFinal(sound) && !(closed === '으로' && hasRieul(sound))
      return sound + (takesClosed ? closed : open)
    },
  )
}

function finalOf(character: string): number {
  const code = character.charCodeAt(0)
  return code >= HANGUL_FIRST && code <= HANGUL_LAST ? (code - HANGUL_FIRST) % FINALS : 0
}

function hasFinal(character: string): boolean {
  if (character === '') return false
  return (
    finalOf(character) > 0 ||
    DIGITS_WITH_FINAL.includes(character) ||
    LATIN_WITH_FINAL.test(character)
  )
}

function hasRieul(character: string): boolean {
  return (
    finalOf(character) === FINAL_RIEUL ||
    DIGITS_WITH_RIEUL.includes(character) ||
    character.toLowerCase() === 'l'
  )
}
