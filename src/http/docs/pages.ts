/** The languages of the guide. */
export type Language = 'en' | 'ko'

/** A page of the docs: its place in the bar, and what makes it itself. */
export type Page = {
  title: string
  language?: Language
  current?: string
  /** Whether `REFERENCES` are this page in its languages. */
  isTranslated?: boolean
  styles?: readonly string[]
  scripts?: readonly string[]
  body: string
}

/** The reference in each language. */
const REFERENCES: Readonly<Record<Language, string>> = { en: '/docs', ko: '/docs/ko' }

/** The bar in each language: its name, and what it leads to. */
const BARS: Readonly<Record<Language, { label: string; links: Record<string, string> }>> = {
  en: { label: 'Documentation', links: { '/docs': 'Reference', '/docs/console': 'Console' } },
  ko: { label: '문서', links: { '/docs/ko': '레퍼런스', '/docs/console': '콘솔' } },
}
const OTHER_LANGUAGE: Readonly<Record<Language, string>> = {
  en: '<a class="language" href="/docs/ko" hreflang="ko" lang="ko">한국어</a>',
  ko: '<a class="language" href="/docs" hreflang="en" lang="en">English</a>',
}

/** The HTML of a page. `title` is text; `body` is HTML already. */
export function pageHtml(page: Page): string {
  const { title, language = 'en', styles = [], scripts = [], body } = page
  const lines = [
    '<!doctype html>',
    `<html lang="${language}">`,
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    '<link rel="icon" type="image/svg+xml" href="/docs/assets/favicon.svg">',
    ...(page.isTranslated ? alternates() : []),
    ...[...styles, 'docs.css'].map((s) => `<link rel="stylesheet" href="/docs/assets/${s}">`),
    ...scripts.map((script) => `<script src="/docs/assets/${script}" defer></script>`),
    '</head>',
    '<body>',
    bar(language, page.current),
    body,
    '</body>',
    '</html>',
  ]
  return lines.join('\n') + '\n'
}

/** The reference, drawn by Redoc: the guide in a language, then the operations. */
export function referencePage(apiTitle: string, language: Language): string {
  const current = REFERENCES[language]
  return pageHtml({
    title: `${apiTitle} – ${BARS[language].links[current]!}`,
    language,
    current,
    isTranslated: true,
    scripts: ['redoc.standalone.js', 'reference.js'],
    body: `${NEEDS_SCRIPTS[language]}\n<div id="reference"></div>`,
  })
}

/** The console, drawn by Swagger UI, below a form that logs in. */
export function consolePage(apiTitle: string): string {
  return pageHtml({
    title: `${apiTitle} – Console`,
    current: '/docs/console',
    styles: ['swagger-ui.css'],
    scripts: ['swagger-ui-bundle.js', 'console.js'],
    body: `<main>\n<h1 class="unseen">Console</h1>\n${NEEDS_SCRIPTS.en}\n${LOGIN}\n<div id="console"></div>\n</main>`,
  })
}

/** Text as it may stand in HTML, attributes included. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

const NEEDS_SCRIPTS: Readonly<Record<Language, string>> = {
  en: `<noscript><p class="notice">This page needs JavaScript. The contract itself is at
<a href="/openapi.yaml">/openapi.yaml</a>.</p></noscript>`,
  ko: `<noscript><p class="notice">이 페이지를 보려면 JavaScript가 필요합니다. 가이드는
<a href="/docs/ko/guide.md">/docs/ko/guide.md</a>에서, OpenAPI 문서는 <a href="/openapi.yaml">/openapi.yaml</a>에서 볼 수 있습니다.</p></noscript>`,
}

const LOGIN = `<section class="login" aria-labelledby="login-title">
<h2 id="login-title">Log in</h2>
<p>The console sends real requests, with the account that you log in to here.</p>
<form id="login">
<label>Email <input name="email" type="email" autocomplete="username" required maxlength="254"></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required maxlength="256"></label>
<button disabled>Log in and authorize</button>
</form>
<p id="login-state" role="status"></p>
<button id="logout" type="button" hidden>Log out</button>
</section>`

function alternates(): string[] {
  return Object.entries(REFERENCES).map(
    ([language, path]) => `<link rel="alternate" hreflang="${language}" href="${path}">`,
  )
}

function bar(language: Language, current: string | undefined): string {
  const { label, links } = BARS[language]
  const anchors = Object.entries(links).map(([path, name]) => {
    const here = path === current ? ' aria-current="page"' : ''
    return `<a href="${path}"${here}>${name}</a>`
  })
  anchors.push(
    '<a class="document" href="/openapi.yaml">openapi.yaml</a>',
    OTHER_LANGUAGE[language],
  )
  return [
    '<header class="bar">',
    `<a class="name" href="${REFERENCES[language]}">Parley</a>`,
    `<nav aria-label="${label}">${anchors.join('')}</nav>`,
    '</header>',
  ].join('\n')
}
