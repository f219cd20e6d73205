import { html, raw } from 'hono/html'
import type { Html } from './format.ts'
import type { Page, Section } from './page.ts'
import { style } from './style.ts'

/** `style` goes in as it stands, because its digest is what the security policy allows. */
export function layout({ title, section, body }: Page): Html {
  const link = (to: string, name: string, own: Section) =>
    html`<a href="${to}"${section === own ? raw(' aria-current="page"') : ''}>${name}</a>`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Flotilla</title>
<link rel="icon" type="image/svg+xml" href="/icon.svg">
<style>${raw(style)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<div class="wide">
<a class="brand" href="/"><img src="/icon.svg" alt="" width="28" height="28"> Flotilla</a>
<nav aria-label="Pages">${link('/', 'Overview', 'overview')}${link('/hosts', 'Hosts', 'hosts')}${link('/statistics', 'Statistics', 'statistics')}</nav>
</div>
</header>
<main id="content" class="wide" tabindex="-1">
${body}
</main>
<footer>
<div class="wide">
<p>Only public channels are shown here. The same for programs: <a href="/api/v1/status">status</a>, <a href="/api/openapi.json">API description</a>.</p>
</div>
</footer>
</body>
</html>
`
}
