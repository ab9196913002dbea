import type { ServerResponse } from 'node:http'
import type { Deprecation } from '../../contract/extensions.ts'

/** The section of the docs on versions and deprecation. */
const DEPRECATION_GUIDE = '/docs#section/Versions-and-changes'

/** `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link to the guide. */
export function announceDeprecation(res: ServerResponse, { since, sunset }: Deprecation): void {
  res.setHeader('Deprecation', `@${since.getTime() / 1000}`)
  res.setHeader('Sunset', sunset.toUTCString())
  res.setHeader('Link', `<${DEPRECATION_GUIDE}>; rel="deprecation"; type="text/html"`)
}
