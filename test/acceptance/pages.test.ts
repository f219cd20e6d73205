// The status pages as people meet them: in a real browser, wide and narrow, light and dark, with names that mean harm.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, startBrowser, type View } from '../kit/browser.ts'
import { type Flotilla, startFlotilla } from '../kit/flotilla.ts'
import { type Image, makeImage, makeLayer, otherPlatform } from '../kit/images.ts'
import { describeWith } from '../kit/need-tool.ts'
import { pushImage, pushIndex } from '../kit/push-image.ts'
import { waitUntil } from '../kit/wait-until.ts'

const views: readonly View[] = [
  { width: 1280, scheme: 'light' },
  { width: 1280, scheme: 'dark' },
  { width: 390, height: 844, scheme: 'light' },
  { width: 390, height: 844, scheme: 'dark' },
]

const longest = `${'a'.repeat(127)}/${'b'.repeat(127)}`
const many = Array.from({ length: 30 }, (_, i) => `team/service-${String(i).padStart(2, '0')}`)
const harm = {
  site: `<script>document.title='harmed'</script>`,
  reason: `maintenance <img src=x onerror="document.title='harmed'"> "' onmouseover=harmed() {{7*7}} \u202egnp`,
} as const

describeWith('status pages', ['chromium'])('status pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-pages-'))
  const image = makeImage([makeLayer(200 * 1024), makeLayer(1000)])
  const secret = makeImage([makeLayer(100 * 1024)])
  let flotilla: Flotilla
  let browser: Browser
  let base: string

  beforeAll(async () => {
    flotilla = await startFlotilla({ folder, env: { FLOTILLA_ALLOW_PRIVATE_HOSTS: 'true' } })
    base = flotilla.url('api')
    const target = {
      registry: flotilla.url('registry'),
      user: 'builder',
      secret: readFileSync(join(flotilla.data, 'keys/builder-token'), 'utf8').trim(),
    }
    for (const name of ['fedora', longest, ...many]) await pushImage(target, name, ['latest', '44', '9'], image)
    const other = makeImage(image.layers, otherPlatform)
    await pushIndex(target, 'fedora', 'both', [image, other])
    const tags = Array.from({ length: 120 }, (_, i) => `1.${i}`)
    await pushImage(target, 'many-tags', ['x'.repeat(128), ...tags.slice(0, 99)], image)
    await pushImage(target, 'many-tags', tags.slice(99), image)
    await pushImage(target, 'secret-project/app', ['hush'], secret)
    await pushImage(target, 'fedora', ['unreleased-tag'], secret)
    const released = ['fedora:latest', 'fedora:44', 'fedora:9', 'fedora:both', `${longest}:latest`]
    const tagged = ['x'.repeat(128), ...tags].map((tag) => `many-tags:${tag}`)
    await flotilla.run('promote', ...released, ...many.map((name) => `${name}:latest`), ...tagged, '--to', 'stable')
    await flotilla.run('promote', 'secret-project/app:hush', '--to', 'testing', '--reason', 'hush-hush')
    await flotilla.run('publish', '--now')
    const gone = 'http://127.0.0.9:9'
    await flotilla.run('site', 'add', harm.site)
    await flotilla.run('host', 'add', 'mirror.example.org', '--site', harm.site, '--url', gone)
    await flotilla.run(
      'host',
      'add',
      'own.example.org',
      '--url',
      `${gone}/own`,
      '--private',
      '--netblock',
      '10.9.0.0/16',
    )
    await flotilla.run('host', 'add', `${'long-label.'.repeat(20)}example.org`, '--url', `${gone}/long`)
    await flotilla.run('host', 'add', 'off.example.org', '--url', `${gone}/off`)
    await flotilla.run('host', 'disable', 'off.example.org', '--reason', harm.reason)
    await waitUntil(async () => (await textOf('/hosts')).includes('maintenance'), { what: 'the hosts are told of' })
    for (const name of ['fedora', longest, ...many.slice(0, 9)])
      await fetch(`${flotilla.url('frontdoor')}/v2/${name}/manifests/latest`)
    const isCounted = async () => (await textOf('/statistics')).includes('fedora')
    await waitUntil(isCounted, { what: 'the pulls are counted', limitMs: 60_000 })
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await flotilla?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  const get = (path: string, init: RequestInit = {}) =>
    fetch(`${base}${path}`, { ...init, headers: { accept: 'text/html', ...(init.headers as object) } })
  const textOf = async (path: string) => await (await get(path)).text()

  const pages = [
    '/',
    '/?q=team',
    '/hosts',
    '/hosts?used=no',
    '/repositories/fedora',
    '/repositories/many-tags',
    '/statistics',
    '/statistics?by=tag',
  ]
  const everything = [...pages, `/repositories/${longest}`, '/nothing-here', `/?q=${'x'.repeat(300)}`]

  test('the first page says what is served and how to pull it', async () => {
    const page = await browser.open(`${base}/`)
    const text = await page.evaluate<string>('document.querySelector("main").innerText')
    expect(text).toMatch(/Channel stable, generation \d+/)
    expect(text).toContain('33 repositories')
    const commands = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.command')].map((one) => one.innerText)`,
    )
    expect(commands).toContain(`docker pull ${flotilla.address('frontdoor')}/fedora:latest`)
    const select = await page.evaluate<string>(`getComputedStyle(document.querySelector('.command')).userSelect`)
    expect(select).toBe('all')
    expect(page.complaints).toEqual([])
  })

  test('a repository says its tags, platforms and sizes', async () => {
    const page = await browser.open(`${base}/repositories/fedora`)
    const rows = await page.evaluate<string[][]>(
      `[...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))`,
    )
    expect(rows.map(([tag]) => tag)).toEqual(['44', '9', 'both', 'latest'])
    const [, digest, , size] = rows.find(([tag]) => tag === 'latest')!
    expect(digest).toBe(image.manifest.digest)
    const sizeBytes = [image.config.bytes, ...image.layers.map((layer) => layer.gzip)].reduce(
      (sum, one) => sum + one.length,
      0,
    )
    expect(size).toBe(`${(sizeBytes / 1024).toFixed(0)} KiB`)
    expect(rows.find(([tag]) => tag === 'both')![2]).toBe('linux/amd64, linux/arm64')
  })

  test('a host says why it is not used', async () => {
    const text = await (await browser.open(`${base}/hosts`)).evaluate<string>('document.body.innerText')
    expect(text).toContain(harm.reason.slice(0, 40))
    expect(text).toContain('nothing proven')
    expect(text).toContain('One more host is private')
    expect(text).not.toContain('own.example.org')
  })

  test.each(['/', '/hosts', '/hosts?used=no'])('names that mean harm are text: %s', async (path) => {
    const page = await browser.open(`${base}${path}`)
    expect(page.complaints).toEqual([])
    expect(await page.evaluate<string>('document.title')).toMatch(/ · Flotilla$/)
    const foreign = 'document.querySelectorAll("script, main img, iframe, object, [onmouseover], [onerror]").length'
    expect(await page.evaluate<number>(foreign)).toBe(0)
    expect(await page.evaluate<string>('document.body.innerText')).toContain(harm.site)
  })

  test('the policy of the page stops what would run all the same', async () => {
    const page = await browser.open(`${base}/`)
    await page.evaluate(`{
      const script = document.createElement('script')
      script.textContent = 'document.title = "harmed"'
      document.body.append(script)
      const image = document.createElement('img')
      image.src = 'data:,x'
      document.body.append(image)
    }`)
    await waitUntil(() => page.complaints.length >= 2, { what: 'two refusals' })
    expect(page.complaints.join()).toContain('Content Security Policy')
    expect(await page.evaluate<string>('document.title')).not.toBe('harmed')
  })

  test.each(everything.map((path) => [path.slice(0, 60), path]))(
    'nothing that is not public is on %s',
    async (_, path) => {
      const answer = await get(path!)
      const told = JSON.stringify([...answer.headers]) + (await answer.text())
      const keys = ['admin-token', 'builder-token'].map((name) =>
        readFileSync(join(flotilla.data, 'keys', name), 'utf8').trim(),
      )
      for (const hidden of [...secretsOf(secret), ...keys, folder, process.cwd()]) expect(told).not.toContain(hidden)
    },
  )

  test('nor in what the API tells without login', async () => {
    const paths = [
      '',
      '/generations?limit=100',
      '/repositories?limit=100',
      '/hosts?limit=100',
      '/repository?name=fedora&limit=100',
    ]
    for (const path of paths) {
      const answer = await get(`/api/v1/status${path}`)
      expect(answer.status).toBe(200)
      const told = await answer.text()
      for (const hidden of [...secretsOf(secret), 'own.example.org', 'actor', folder])
        expect(told).not.toContain(hidden)
    }
    for (const path of ['/api/v1/hosts', '/api/v1/generations', '/api/v1/candidates', '/api/v1/statusx'])
      expect((await get(path)).status).toBe(401)
  })

  test('what is not public and what does not exist look the same', async () => {
    const [hidden, missing] = await Promise.all(
      ['/repositories/secret-project/app', '/repositories/no/such'].map((path) => get(path)),
    )
    expect([hidden!.status, missing!.status]).toEqual([404, 404])
    expect(await hidden!.text()).toBe(await missing!.text())
  })

  test.each(['/', '/hosts', '/statistics', '/repositories/fedora', '/icon.svg', '/nothing-here'])(
    'headers of %s',
    async (path) => {
      const { headers } = await get(path)
      const policy = headers.get('content-security-policy')!
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("base-uri 'none'")
      expect(policy).not.toContain('unsafe')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      const head = await get(path, { method: 'HEAD' })
      expect([head.status, await head.text()]).toEqual([(await get(path)).status, ''])
    },
  )

  test.each([
    ['/nothing-here', 404],
    ['/repositories/', 404],
    ['/repositories/..%2f..%2fetc', 404],
    [`/?q=${'x'.repeat(300)}`, 400],
    ['/hosts?used=perhaps', 400],
    ['/?q=%00', 400],
    ['/?after=%1b[2J', 400],
    ['/repositories/%00', 404],
    [`/repositories/${'x'.repeat(300)}`, 400],
  ])('%s is answered %i with a page', async (path, status) => {
    const answer = await get(path)
    expect(answer.status).toBe(status)
    expect(await answer.text()).toContain('<h1>')
  })

  test('a program that wants no page gets a problem document', async () => {
    const answer = await fetch(`${base}/nothing-here`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
  })

  test('paging shows each repository once, and a filter only its own', async () => {
    const listed: string[] = []
    let next: string | null = '/?q=team/'
    while (next !== null) {
      const page = await browser.open(`${base}${next}`)
      listed.push(
        ...(await page.evaluate<string[]>(
          `[...document.querySelectorAll('.repositories tbody th')].map((one) => one.innerText)`,
        )),
      )
      next = await page.evaluate<string | null>(`document.querySelector('a[rel=next]')?.getAttribute('href') ?? null`)
    }
    expect(listed).toEqual(many)
  })

  for (const view of views) {
    test.each(pages)(`%s at ${view.width} pixels, ${view.scheme}: fits, and can be read`, async (path) => {
      const page = await browser.open(`${base}${path}`, view)
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(view.width)
      expect(await page.evaluate<string[]>(lowContrasts)).toEqual([])
      expect(await page.evaluate<string[]>(cutOff)).toEqual([])
    })
  }

  test('the measures of that notice what is wrong', async () => {
    const page = await browser.open(`${base}/`)
    await page.evaluate(`document.querySelector('.lead').style.color = '#999'`)
    expect(await page.evaluate<string[]>(lowContrasts)).not.toEqual([])
    await page.evaluate(`document.querySelector('.lead').style.cssText = 'width: 2000px; max-width: none'`)
    expect((await page.evaluate<string[]>(cutOff)).length).toBeGreaterThan(0)
  })

  test.each(pages)('%s can be found through by ear', async (path) => {
    const page = await browser.open(`${base}${path}`)
    const nodes = await page.readAccessibility()
    const named = (role: string) => nodes.filter((node) => node.role === role).map((node) => node.name)
    for (const landmark of ['banner', 'main', 'contentinfo']) expect(named(landmark)).toHaveLength(1)
    expect(named('navigation')).not.toContain('')
    const levels = await page.evaluate<number[]>(
      `[...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1]))`,
    )
    expect(levels.filter((level) => level === 1)).toHaveLength(1)
    expect(levels.every((level, i) => level <= (levels[i - 1] ?? 0) + 1)).toBe(true)
    expect(named('table').length).toBeGreaterThan(0)
    for (const role of ['table', 'searchbox', 'link', 'button']) expect(named(role)).not.toContain('')
  })

  test('a phone’s cards are still a table to those who listen', async () => {
    const nodes = await (await browser.open(`${base}/`, views[2])).readAccessibility()
    for (const role of ['table', 'row', 'columnheader', 'rowheader', 'cell'])
      expect(nodes.some((node) => node.role === role)).toBe(true)
  })
})

function secretsOf(secret: Image): string[] {
  const digests = [secret.manifest.digest, secret.config.digest, ...secret.layers.map((layer) => layer.digest)]
  return ['secret-project', 'hush', 'unreleased-tag', 'candidate', ...digests.map((one) => one.slice(7))]
}

/** Every text with less contrast to its ground than WCAG AA asks for. */
const lowContrasts = `(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number)
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor)
      if ((colour[3] ?? 1) > 0 && colour.length >= 3) return colour
    }
    return [255, 255, 255]
  }
  const found = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    if (walker.currentNode.textContent.trim() === '' || element.tagName === 'STYLE') continue
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(groundOf(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) found.push(ratio.toFixed(2) + ' ' + element.outerHTML.slice(0, 120))
  }
  return found
})()`

/** Everything that reaches over the right edge of the page. */
const cutOff = `[...document.querySelectorAll('main *')]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 120))`
