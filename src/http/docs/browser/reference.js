/* Draws the reference with Redoc. Fonts are the reader's own: nothing is fetched from elsewhere. */
const sans = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif'
const mono = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

/** Redoc's margins, in pixels, are made for wide screens. */
const margin = window.matchMedia('(max-width: 50em)').matches ? 18 : 40

const theme = {
  spacing: { sectionHorizontal: margin },
  colors: { primary: { main: '#1f5c7a' }, text: { primary: '#1d2930' } },
  typography: {
    fontSize: '15px',
    lineHeight: '1.6',
    fontFamily: sans,
    headings: { fontFamily: sans, fontWeight: '600' },
    code: { fontFamily: mono, fontSize: '13px', color: '#8a3324', wrap: true },
  },
  sidebar: { backgroundColor: '#f6f8f9', width: '270px' },
  rightPanel: { backgroundColor: '#22313a' },
  fab: { backgroundColor: '#f6f8f9', color: '#1f5c7a' },
  codeBlock: { backgroundColor: '#172229' },
}

window.Redoc.init(
  '/openapi.json',
  {
    theme,
    scrollYOffset: '.bar',
    nativeScrollbars: true,
    sortRequiredPropsFirst: true,
    showExtensions: ['x-scopes', 'x-rate-limit'],
    downloadUrls: [
      { title: 'openapi.yaml', url: '/openapi.yaml' },
      { title: 'openapi.json', url: '/openapi.json' },
    ],
  },
  document.getElementById('reference'),
)
