/* Renders the reference with Redoc. It uses the reader's own fonts: nothing comes from other sites. */
const sans =
  'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans CJK KR", "Noto Sans KR", Arial, sans-serif'
const mono = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

/** In pixels: Redoc's own margins suit wide screens only. */
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

const KOREAN_LABELS = {
  download: '다운로드',
  downloadSpecification: 'OpenAPI 문서 다운로드',
  noResultsFound: '검색 결과가 없습니다',
}
const isKorean = document.documentElement.lang === 'ko'

const options = {
  theme,
  scrollYOffset: '.bar',
  nativeScrollbars: true,
  sortRequiredPropsFirst: true,
  showExtensions: ['x-scopes', 'x-rate-limit'],
  downloadUrls: ['openapi.yaml', 'openapi.json', 'openapi-3.1.json'].map((name) => ({
    title: name,
    url: `/${name}`,
  })),
  ...(isKorean && { labels: KOREAN_LABELS }),
}
const place = document.getElementById('reference')

/** The contract with the Korean guide. Its operations remain in English. */
async function koreanDocument() {
  const answers = await Promise.all([fetch('/openapi.json'), fetch('/docs/ko/guide.md')])
  const lost = answers.find(({ ok }) => !ok)
  if (lost) throw new Error(`${lost.url}: ${lost.status}`)
  const [contract, description] = await Promise.all([answers[0].json(), answers[1].text()])
  return { ...contract, info: { ...contract.info, description } }
}

function sayLanguages() {
  for (const operations of place.querySelectorAll('[id^="tag/"]')) operations.lang = 'en'
}

if (isKorean) {
  koreanDocument()
    .then((contract) => window.Redoc.init(contract, options, place, sayLanguages))
    .catch((error) => (place.textContent = `이 페이지를 불러오지 못했습니다. ${error.message}`))
} else window.Redoc.init('/openapi.json', options, place)
