import {
  messages,
  PGlite,
  type PGliteOptions,
  type ExecProtocolOptions,
} from '@electric-sql/pglite'

type Answer = ReturnType<PGlite['execProtocolStream']>

/**
 * PGlite reads every value by a `TextDecoder` that takes a leading U+FEFF for a byte order mark and
 * drops it (pglite 0.5.16). It makes one as it is constructed, which here is one that keeps it, and
 * another after each statement that fails: so failures are thrown from outside of it.
 */
class WholePGlite extends PGlite {
  override async execProtocolStream(
    message: Uint8Array,
    { throwOnError = true, ...options }: ExecProtocolOptions = {},
  ): Answer {
    const answer = await super.execProtocolStream(message, { ...options, throwOnError: false })
    const error = answer.find((one) => one instanceof messages.DatabaseError)
    if (throwOnError && error) throw error
    return answer
  }
}

/** Opens PGlite so that a text is read as it was written, whatever its first character. */
export async function createWholePGlite(options: PGliteOptions): Promise<PGlite> {
  const pglite = withWholeDecoders(() => new WholePGlite(options))
  await pglite.waitReady
  return pglite
}

class WholeDecoder extends TextDecoder {
  constructor(...[label, options]: ConstructorParameters<typeof TextDecoder>) {
    super(label, { ...options, ignoreBOM: true })
  }
}

/** Nobody else comes to see it: what is made here is made at once. */
function withWholeDecoders<T>(make: () => T): T {
  const original = globalThis.TextDecoder
  globalThis.TextDecoder = WholeDecoder
  try {
    return make()
  } finally {
    globalThis.TextDecoder = original
  }
}
