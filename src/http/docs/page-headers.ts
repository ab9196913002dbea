import type { RequestHandler } from 'express'
import helmet from 'helmet'

/** What a page needs beyond scripts, styles, pictures and calls of its own origin. */
export type PageNeeds = { styles?: readonly string[]; workers?: readonly string[] }

/**
 * The styles that Redoc 2.5.4 writes into the page, by their hashes: an empty one, which its
 * styled-components fill through the CSSOM (a policy does not touch that), and the constant sheet
 * of its scroll bars. This admits less than a nonce would, and the page is the same for every reader.
 */
export const REDOC_STYLES: readonly string[] = [
  "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
  "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
]

/** The headers of a page: it runs what this server serves, and nothing else. */
export function pageHeaders({ styles = [], workers = ["'none'"] }: PageNeeds): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      // helmet's own would rewrite http to https, and admit fonts and styles from anywhere.
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", ...styles],
        connectSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        workerSrc: [...workers],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    },
    xFrameOptions: { action: 'deny' },
    // A promise about the whole host and all its ports: for the proxy or the app to make.
    strictTransportSecurity: false,
  })
}
