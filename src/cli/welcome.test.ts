import { describe, expect, test } from 'bun:test'
import { type Places, type Screen, type Shown, welcomeText } from './welcome.ts'

const places: Places = { data: '/srv/app/var', keys: '/srv/app/var/keys', publicChannel: 'stable', settings: {} }
const screen: Screen = { folder: '/srv/app', columns: 80, isColoured: false, program: '/srv/app/bin/flotilla' }
const roles = ['registry', 'manager', 'worker', 'mirror', 'frontdoor', 'origin'].map((name) => ({ name }))
const addresses = {
  registry: 'http://127.0.0.1:5000',
  frontdoor: 'http://127.0.0.1:5001',
  api: 'http://127.0.0.1:5002',
  origin: 'http://127.0.0.1:5003',
}
const demo = { hosts: [{ name: 'demo-1', url: 'http://127.0.0.2:40001' }] }
const shown: Shown = { roles, addresses, demo }

describe('the first screen', () => {
  test.each([80, 120])('fits %i columns', (columns) => {
    for (const line of welcomeText(places, shown, { ...screen, columns }).split('\n'))
      expect(line.length).toBeLessThanOrEqual(columns)
  })

  test('folds a long command as a shell reads it', () => {
    const keys = '/srv/app/var/some-very-long-name-of-a-folder-that-someone-chose/keys'
    const text = welcomeText({ ...places, keys }, shown, screen)
    expect(text).toContain(
      '127.0.0.1:5000 \\\n    < var/some-very-long-name-of-a-folder-that-someone-chose/keys/builder-token\n',
    )
  })

  test.each<[string, Partial<Places>, Partial<Shown['addresses']>, string | undefined]>([
    ['nothing in the default place', {}, {}, undefined],
    ['another port', {}, { api: 'http://127.0.0.1:7002' }, 'export FLOTILLA_API_URL=http://127.0.0.1:7002'],
    ['another data folder', { data: "/srv/it's here" }, {}, "export FLOTILLA_DATA='/srv/it'\\''s here'"],
    ['a given token', { settings: { adminToken: 'x' } }, {}, 'export FLOTILLA_TOKEN="$FLOTILLA_ADMIN_TOKEN"'],
  ])('tells other shells what they need: %s', (_, other, moved, expected) => {
    const text = welcomeText(
      { ...places, ...other },
      { ...shown, addresses: { ...addresses, ...moved } as never },
      screen,
    )
    if (expected === undefined) expect(text).not.toContain('export ')
    else expect(text).toContain(`  ${expected}\n`)
  })

  test('never shows a token', () => {
    expect(welcomeText({ ...places, settings: { adminToken: 'secret-token' } }, shown, screen)).not.toContain(
      'secret-token',
    )
  })

  test('of roles that listen nowhere has no commands', () => {
    const text = welcomeText(places, { roles: [{ name: 'worker' }], addresses: {}, demo: undefined }, screen)
    expect(text).toContain('Flotilla is up: worker\n')
    expect(text).not.toContain('docker')
  })
})
