// The strings are those that the clients themselves sent.
import { describe, expect, test } from 'bun:test'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientClassOf, clientClassReader, defaultClientRules, parseClientRules } from './client-kind.ts'

test.each([
  ['go-containerregistry', 'fragile'],
  ['go-containerregistry/v0.20.7', 'fragile'],
  ['crane/0.20.7 go-containerregistry/0.20.7', 'fragile'],
  ['cosign/v2.4.0 (linux; amd64) go-containerregistry/v0.20.2', 'fragile'],
  ['oras/1.3.3', 'fragile'],
  ['skopeo/1.9.3', 'fragile'],
  ['skopeo/1.11.9-dev', 'fragile'],
  ['skopeo/1.12.0', 'normal'],
  ['skopeo/1.22.0', 'normal'],
  ['skopeo/2.0.0', 'normal'],
  ['containers/5.23.1 (github.com/containers/image)', 'fragile'],
  ['containers/5.29.3 (github.com/containers/image)', 'normal'],
  ['containers/5.38.0 (github.com/containers/image)', 'forgiving'],
  ['Buildah/1.28.2', 'fragile'],
  ['Buildah/1.40.0', 'normal'],
  ['containerd/1.6.20~ds1', 'fragile'],
  ['containerd/2.1.9+unknown', 'normal'],
  [
    'docker/28.5.2 go/go1.24.8 git-commit/x kernel/6.1 os/linux arch/amd64 UpstreamClient(Docker-Client/28.5.2 \\(linux\\))',
    'forgiving',
  ],
  [
    'docker/28.5.2 go/go1.24.8 containerd-client/2.1.9 storage-driver/native UpstreamClient(Docker-Client/28.5.2)',
    'normal',
  ],
  ['notdocker/1.0', 'normal'],
  ['docker-like/1.0', 'normal'],
  ['Wget/1.21', 'normal'],
  ['', 'normal'],
  [undefined, 'normal'],
  ['skopeo/', 'fragile'],
  ['skopeo/v1.30.1', 'normal'],
] as const)('%s is %s', (userAgent, kind) => {
  const expected = { kind, mode: 'redirect' } as const
  expect(clientClassOf(defaultClientRules, userAgent)).toEqual(expected)
  const read = clientClassReader(defaultClientRules)
  expect([read(userAgent), read(userAgent)]).toEqual([expected, expected])
})

test('a rule says how its clients are served, the first that fits; `*` is everybody', () => {
  const rules = parseClientRules(`[
    {"product": "oras", "kind": "fragile", "mode": "stream"},
    {"product": "crane", "kind": "fragile", "mode": "origin"},
    {"product": "*", "without": "bot", "kind": "forgiving"}
  ]`)
  const read = clientClassReader(rules)
  expect(['oras/1.3.3', 'crane/0.20', 'curl/8', undefined, 'a bot'].map((agent) => read(agent))).toEqual([
    { kind: 'fragile', mode: 'stream' },
    { kind: 'fragile', mode: 'origin' },
    { kind: 'forgiving', mode: 'redirect' },
    { kind: 'forgiving', mode: 'redirect' },
    { kind: 'normal', mode: 'redirect' },
  ])
})

describe('a table of the operator', () => {
  test('is taken as it stands', () => {
    const rules = [{ product: 'a', kind: 'fragile', from: '1', below: '2.10', without: 'x' }, ...defaultClientRules]
    expect(parseClientRules(JSON.stringify(rules))).toEqual(rules as never)
    expect(parseClientRules('[]')).toEqual([])
  })

  test('stands in docs/operate.md as it may be copied', async () => {
    const page = await readFile(join(import.meta.dir, '../../../docs/operate.md'), 'utf8')
    const [, shown] = /^```json\n(\[\n.*?)^```$/ms.exec(page)!
    expect(parseClientRules(shown!)).toHaveLength(7)
  })

  test.each([
    ['no list', '{}', 'no list'],
    ['no rule', '[1]', 'rule 1'],
    ['no product', '[{"kind":"fragile"}]', 'rule 1'],
    ['an empty product, which every agent would hold', '[{"product":"","kind":"fragile"}]', 'rule 1'],
    ['another kind', '[{"product":"a","kind":"fragile"},{"product":"a","kind":"robust"}]', 'rule 2'],
    ['another mode', '[{"product":"a","kind":"normal","mode":"proxy"}]', 'rule 1'],
    ['a version of everybody', '[{"product":"*","kind":"normal","below":"2"}]', 'any client'],
    ['a version that is none', '[{"product":"a","kind":"normal","from":"new"}]', 'rule 1'],
    ['a field with a slip', '[{"product":"a","kind":"normal","beneath":"1"}]', 'rule 1'],
    ['a word of Object', '[{"product":"a","kind":"normal","toString":"1"}]', 'rule 1'],
  ])('%s is refused', (_, text, reason) => {
    expect(() => parseClientRules(text)).toThrow(reason)
  })
})
