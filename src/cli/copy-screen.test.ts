import { describe, expect, test } from 'bun:test'
import { type CopyShown, copyScreen } from './copy-screen.ts'

const repository = (name: string, ...tags: string[]) =>
  [name, { name, tags: new Map(tags.map((tag) => [tag, ''])) }] as const
const shown: CopyShown = {
  data: '/var/lib/flotilla',
  copy: '/srv/flotilla',
  addresses: { frontdoor: 'http://127.0.0.1:5001' },
  served: {
    generation: 7,
    publication: {
      channel: 'stable',
      createdAtMs: Date.parse('2026-11-24T12:00:00Z'),
      repositories: new Map([repository('bare'), repository('fedora/base', '41', 'latest')]),
    },
  },
  refused: undefined,
  root: { fingerprint: 'sha256:1234', isGiven: false },
}

describe('the screen over a copy', () => {
  test('says what is served, where, and how to pull it', () => {
    const text = copyScreen(shown)
    expect(text).toContain('front door   http://127.0.0.1:5001  users pull here\n')
    expect(text).toContain('stable generation 7 of 2026-11-24 12:00 UTC: 2 repositories, 2 tags\n')
    expect(text).toContain('  docker pull 127.0.0.1:5001/fedora/base:41\n')
  })

  test('says how to make a copy where there is none', () => {
    const text = copyScreen({ ...shown, served: undefined })
    expect(text).toContain('nothing yet')
    expect(text).toContain('flotilla replicate --from <address of the origin> --to /srv/flotilla\n')
  })

  test('says why a tree is refused', () => {
    const text = copyScreen({ ...shown, served: undefined, refused: 'older than what was seen' })
    expect(text).toContain('refused      older than what was seen\n')
    expect(text).not.toContain('flotilla replicate')
  })

  test('shows whose root is believed, and advises to pin one that nobody gave', () => {
    expect(copyScreen(shown)).toContain('root         sha256:1234\n')
    expect(copyScreen(shown)).toContain('pin it by --root')
    expect(copyScreen({ ...shown, root: { fingerprint: 'sha256:1234', isGiven: true } })).not.toContain('pin it')
  })

  test('of an origin alone has nothing to pull', () => {
    const text = copyScreen({ ...shown, addresses: { origin: 'http://127.0.0.1:5003' }, served: undefined })
    expect(text).toContain('other hosts copy the tree from here')
    expect(text).not.toContain('docker')
  })
})
