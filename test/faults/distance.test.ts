// Hosts on the other side of the world: TLS with a private authority, long lines that now and then stand still, and a fleet of which every
// host failed a moment ago, so that each redirect waits for a proof. The proof must fit its time, and clients must not notice.

import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeAuthority } from '../kit/certificate-authority.ts'
import { describeWith } from '../kit/need-tool.ts'
import { dockerAgent, type Pulled, pullBlob } from '../kit/scripted-client.ts'
import { seeded } from '../kit/seeded.ts'
import { SimFleet } from '../kit/sim-fleet.ts'
import { waitUntil } from '../kit/wait-until.ts'

const pulls = Number(process.env.SIM_DISTANT_PULLS ?? 80)
const everyMs = 60

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!
}

/** Some hosts answer 503 for a while, and then all are well. */
async function shake(fleet: SimFleet): Promise<void> {
  for (const host of fleet.hosts) await host.setMode('503')
  const healths = () => [...fleet.holder.current.fleet.health.byId.values()]
  await waitUntil(() => healths().every(({ isShaky }) => isShaky), { what: 'every host is seen to fail' })
  for (const host of fleet.hosts) await host.setMode('good')
  await waitUntil(() => healths().every(({ isAlive }) => isAlive), { what: 'every host is seen to be well' })
}

describeWith('distance', ['openssl'])('distance', () => {
  test.each([20, 150, 300])(
    '%d ms round trip',
    async (roundTripMs) => {
      const folder = await mkdtemp(join(tmpdir(), 'distance-'))
      const authority = await makeAuthority(folder)
      const line = { roundTripMs, stallShare: 0.01, stallMs: 400, random: seeded(roundTripMs) }
      await using fleet = await SimFleet.start({
        hosts: 6,
        gold: 2,
        blobs: 24,
        blobBytes: 70_000,
        haste: 10,
        authority,
        line,
      })
      await fleet.watch()
      await shake(fleet)
      const asked = fleet.hosts.reduce((sum, { requests }) => sum + requests.length, 0)
      const random = seeded(1)
      const client = { silenceMs: 10_000, haste: 10, ca: readFileSync(authority.bundle, 'utf8') }
      const running: Promise<Pulled>[] = []
      for (let n = 0; n < pulls; n++) {
        const { digest, sizeBytes } = fleet.tree.blobs[Math.floor(random() * fleet.tree.blobs.length)]!
        const manner = n % 2 === 0 ? 'docker' : 'once'
        const wanted = { frontUrl: fleet.url, path: fleet.pathOf(digest), digest, sizeBytes }
        running.push(pullBlob({ ...client, manner, userAgent: dockerAgent, address: `10.${n}.2.3` }, wanted))
        await pause(everyMs)
      }
      const pulled = await Promise.all(running)
      const sum = (read: (one: Pulled) => number) => pulled.reduce((total, one) => total + read(one), 0)
      const [host, front] = [sum(({ hostBytes }) => hostBytes), sum(({ frontBytes }) => frontBytes)]
      const { probesPassed, probesFailed, probesSkipped, heldRedirects } = fleet.front.counters
      const opened = fleet.hosts.reduce((total, { connections }) => total + connections, 0)
      const requests = fleet.hosts.reduce((total, one) => total + one.requests.length, 0) - asked
      const waits = pulled.flatMap(({ opens }) => opens.map((one) => one.toldMs - one.askedMs)).sort((a, b) => a - b)
      console.log(
        `${roundTripMs} ms: ${((100 * host) / (host + front)).toFixed(1)} % of bytes from hosts, ` +
          `${pulled.filter(({ isWhole }) => !isWhole).length} failed of ${pulls}; ` +
          `${heldRedirects} held, to the answer of the front door p50 ${quantile(waits, 0.5).toFixed(0)} ms, p99 ${quantile(waits, 0.99).toFixed(0)} ms; ` +
          `probes ${probesPassed} passed, ${probesFailed} failed, ${probesSkipped} skipped; ${opened} connections, ${requests} requests`,
      )
      expect(pulled.filter(({ isWhole }) => !isWhole).map(({ why }) => why)).toEqual([])
      expect(heldRedirects).toBeGreaterThan(pulls / 4)
      expect(host / (host + front)).toBeGreaterThanOrEqual(0.95)
      await rm(folder, { recursive: true })
    },
    60_000,
  )
})
