import {
  messages,
  PGlite,
  type PGliteOptions,
  type ExecProtocolOptions,
} from '@electric-sql/pglite'

type Answer = ReturnType<PGlite['execProtocolStream']>

/**
 * PGlite reads every value by a `TextDecoder` that takes a leading U+FEFF for a byte order mark and
 * drops it (pglite 0.5.16). It makes one when it is constructed, here one that keeps U+FEFF, and another
 * after each statement that fails: therefore failures are thrown outside of it.
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

/** Opens a PGlite that reads a text as it was written, whatever its first character. */
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

/** `make` is synchronous, so that no other code sees the replaced global. */
function withWholeDecoders<T>(make: () => T): T {
  const original = globalThis.TextDecoder
  globalThis.TextDecoder = WholeDecoder
  try {
    return make()
  } finally {
    globalThis.TextDecoder = original
  }
}
