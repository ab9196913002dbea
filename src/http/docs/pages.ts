/** A page of the docs: its place in the bar, and what makes it itself. */
export type Page = {
  title: string
  current?: Place
  styles?: readonly string[]
  scripts?: readonly string[]
  body: string
}

type Place = '/docs' | '/docs/console'

const PLACES: Readonly<Record<Place, string>> = { '/docs': 'Reference', '/docs/console': 'Console' }

/** The HTML of a page. `title` is text; `body` is HTML already. */
export function pageHtml({ title, current, styles = [], scripts = [], body }: Page): string {
  const lines = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`,
    '<link rel="icon" type="image/svg+xml" href="/docs/assets/favicon.svg">',
    ...[...styles, 'docs.css'].map((s) => `<link rel="stylesheet" href="/docs/assets/${s}">`),
    ...scripts.map((script) => `<script src="/docs/assets/${script}" defer></script>`),
    '</head>',
    '<body>',
    bar(current),
    body,
    '</body>',
    '</html>',
  ]
  return lines.join('\n') + '\n'
}

/** The reference, drawn by Redoc. */
export function referencePage(apiTitle: string): string {
  return pageHtml({
    title: `${apiTitle} – Reference`,
    current: '/docs',
    scripts: ['redoc.standalone.js', 'reference.js'],
    body: `${NEEDS_SCRIPTS}\n<div id="reference"></div>`,
  })
}

/** The console, drawn by Swagger UI, below a form that logs in. */
export function consolePage(apiTitle: string): string {
  return pageHtml({
    title: `${apiTitle} – Console`,
    current: '/docs/console',
    styles: ['swagger-ui.css'],
    scripts: ['swagger-ui-bundle.js', 'console.js'],
    body: `<main>\n<h1 class="unseen">Console</h1>\n${NEEDS_SCRIPTS}\n${LOGIN}\n<div id="console"></div>\n</main>`,
  })
}

/** Text as it may stand in HTML, attributes included. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

const NEEDS_SCRIPTS = `<noscript><p class="notice">This page needs JavaScript. The document itself is at
<a href="/openapi.yaml">/openapi.yaml</a>.</p></noscript>`

const LOGIN = `<section class="login" aria-labelledby="login-title">
<h2 id="login-title">Log in</h2>
<form id="login">
<label>Email <input name="email" type="email" autocomplete="username" required maxlength="254"></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required maxlength="256"></label>
<button disabled>Log in and authorize</button>
</form>
<p id="login-state" role="status"></p>
<button id="logout" type="button" hidden>Log out</button>
</section>`

function bar(current: Place | undefined): string {
  const links = Object.entries(PLACES).map(([path, name]) => {
    const here = path === current ? ' aria-current="page"' : ''
    return `<a href="${path}"${here}>${name}</a>`
  })
  return [
    '<header class="bar">',
    '<a class="name" href="/docs">Parley</a>',
    `<nav aria-label="Documentation">${links.join('')}<a href="/openapi.yaml">openapi.yaml</a></nav>`,
    '</header>',
  ].join('\n')
}
