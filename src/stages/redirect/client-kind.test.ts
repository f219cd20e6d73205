// The strings are those that the clients themselves sent.
import { expect, test } from 'bun:test'
import { clientKindOf, clientKindReader, defaultClientRules } from './client-kind.ts'

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
  expect(clientKindOf(defaultClientRules, userAgent)).toBe(kind)
  const read = clientKindReader(defaultClientRules)
  expect([read(userAgent), read(userAgent)]).toEqual([kind, kind])
})
