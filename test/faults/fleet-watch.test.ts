// What happens to a host between two crawls: it dies, comes back, lies to clients, hangs; and what the snapshots then say.

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { crawlHost } from '#stages/mirror/crawl-host.ts'
import { FleetWatch, type FleetWatchOptions } from '#stages/mirror/fleet-watch.ts'
import { describeWith } from '../kit/need-tool.ts'
import { seeded } from '../kit/seeded.ts'
import type { WebHost } from '../kit/web-hosts.ts'
import { Fleet, hostRecord, MemoryRecords } from './fleet.ts'

const options: FleetWatchOptions = {
  channel: 'stable',
  liveness: { concurrency: 8, blockBytes: 64, idleMs: 300, totalMs: 600, otherFamilyEveryMs: 60_000 },
  strikes: {
    windowMs: 600_000,
    drainPrefixes: 3,
    maxDrainsPerPrefix: 3,
    maxDraining: 2,
    probeEveryMs: 1_000,
    repeatMs: 1_000,
    doubtMs: 30_000,
    openMs: 30_000,
    maxOutMs: 3_600_000,
    maxPrefixesPerHost: 64,
    maxPrefixes: 1_000,
  },
  clientReads: {
    maxBytes: 1_000_000,
    maxRunning: 2,
    idleMs: 500,
    totalMs: 2_000,
    firstWaitMs: 10_000,
    strikeWaitMs: 20_000,
    longestWaitMs: 60_000,
  },
  wholeReads: { maxBytes: 1_000_000, concurrency: 2, idleMs: 1_000, totalMs: 5_000 },
}

let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.open()
  await fleet.publish(1, 8)
})

afterAll(() => fleet[Symbol.asyncDispose]())

/** A clock that the test moves, ten seconds a round, and hosts that a crawl has proven. */
async function watchOf(...urls: string[]) {
  const records = new MemoryRecords()
  let nowMs = 1_000_000
  const failures: unknown[] = []
  const tools = {
    client: fleet.client(),
    blobs: fleet.origin,
    tree: fleet.tree,
    records,
    random: seeded(7),
    now: () => nowMs,
    log: (error: unknown) => void failures.push(error),
  }
  for (const [i, url] of urls.entries()) {
    records.hosts.push(hostRecord(url, i + 1))
    records.presence.set(i + 1, { generation: 1, missing: [], extra: [] })
  }
  const watch = new FleetWatch(tools, options)
  return {
    tools,
    failures,
    records,
    watch,
    round: async () => {
      nowMs += 10_000
      const { placement, health } = await watch.round()
      return { placement, hosts: health.hosts, health }
    },
    strike: async (hostId: number, prefixKey: number) => {
      nowMs += 2_000
      return (await watch.strike(hostId, prefixKey))?.hosts.find(({ id }) => id === hostId)
    },
    suspect: async (hostId: number) => {
      nowMs += 2_000
      return (await watch.suspect(hostId))?.hosts.find(({ id }) => id === hostId)
    },
  }
}

/** Passes bytes on to a host, or does what the test says with a connection. */
async function frontOf(host: WebHost) {
  const about: { misbehave: ((socket: Socket) => void) | undefined } = { misbehave: undefined }
  const target = new URL(host.url)
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    if (about.misbehave) return about.misbehave(socket)
    void Bun.connect({
      hostname: target.hostname,
      port: Number(target.port),
      socket: {
        open: (there) => void socket.on('data', (bytes) => there.write(bytes)).on('close', () => there.end()),
        data: (_, bytes) => void socket.write(bytes),
        close: () => void socket.end(),
      },
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  fleet.keep({
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { url: `http://127.0.0.1:${port}`, about, drop }
}

describeWith('watching real servers', ['nginx'])('watching', () => {
  test('a host is known by its first round, once something is proven there', async () => {
    const host = await fleet.addHost('first')
    const { round, records, tools } = await watchOf(host.url)
    records.presence.clear()
    const before = await round()
    expect(before.hosts[0]).toMatchObject({ isAlive: false, reason: 'no blob is proven there yet' })
    expect(before.placement.hosts[0]!.excluded).toBe('no crawl has finished there yet')
    await crawlHost({ host: records.hosts[0]!, channel: 'stable', generation: 1 }, tools, {
      ...options.liveness,
      concurrency: 4,
      maxRequests: 100,
      maxSampledBytes: 1e6,
      maxMs: 60_000,
      maxRechecks: 0,
      spotChecks: 0,
      saveEveryMs: 60_000,
      blocksPerBlob: 1,
    })
    const after = await round()
    expect(after.hosts[0]).toMatchObject({ isAlive: true, reason: undefined, families: [4], circuit: 'closed' })
    expect(after.placement.hosts[0]).toMatchObject({ excluded: undefined, generation: 1 })
    expect(after.placement.version).toBeGreaterThan(before.placement.version)
  })

  test('a restart forgets nobody: what was told before counts until the first round', async () => {
    const [one, two] = [await fleet.addHost('kept'), await fleet.addHost('kept-too')]
    const { round, tools } = await watchOf(one.url, two.url)
    await round()
    const before = await round()
    const again = new FleetWatch(tools, options, before)
    const { placement, health } = await again.rebuild()
    expect(placement).toBe(before.placement)
    expect(health).toBe(before.health)
    expect((await again.admit(1)).health.hosts.length).toBe(2)
    const after = await again.round()
    expect(after.health.hosts.map(({ isAlive }) => isAlive)).toEqual([true, true])
    expect(after.health.version).toBeGreaterThanOrEqual(before.health.version)
  })

  test('a host that was just crawled is used without waiting for a round, even while one hangs, and wherever it moved', async () => {
    const [old, fresh] = [await fleet.addHost('old'), await fleet.addHost('fresh')]
    const front = await frontOf(old)
    const { round, records, watch } = await watchOf(front.url, fresh.url)
    records.presence.delete(2)
    expect((await round()).placement.hosts[1]!.excluded).toBe('no crawl has finished there yet')
    front.drop()
    front.about.misbehave = (socket) => void socket.resume()
    const hanging = round()
    // It moves as well, while the round looks at where it was.
    const moved = await frontOf(fresh)
    records.hosts[1] = hostRecord(moved.url, 2)
    records.presence.set(2, { generation: 1, missing: [], extra: [] })
    const told = await watch.admit(2)
    expect(told.placement.hosts[1]!.excluded).toBeUndefined()
    expect(told.health.hosts[1]).toMatchObject({ isAlive: true })
    const { placement, hosts } = await hanging
    expect(placement.hosts[1]!.excluded).toBeUndefined()
    expect(hosts.map(({ isAlive }) => isAlive)).toEqual([true, true])
    expect(placement.hosts[1]!.urls).toEqual([moved.url])
    expect(placement.version).toBe(told.placement.version)
  })

  test('a host where nothing listens any more is out with its next round', async () => {
    const host = await fleet.addHost('mortal')
    const { round } = await watchOf(host.url)
    expect((await round()).hosts[0]).toMatchObject({ isAlive: true })
    await host[Symbol.asyncDispose]()
    const [told] = (await round()).hosts
    expect(told).toMatchObject({ isAlive: false })
    expect(told!.reason).toContain(host.url)
  })

  test('a host that hangs after the headers is out after two rounds, and trusted again after two', async () => {
    const host = await fleet.addHost('hanging')
    const front = await frontOf(host)
    const { round } = await watchOf(front.url)
    const alive: boolean[] = [(await round()).hosts[0]!.isAlive]
    front.drop()
    front.about.misbehave = (socket) => {
      socket.once('data', (request) => {
        const range = /range: bytes=([0-9-]+)/i.exec(String(request))![1]
        const { sizeBytes } = fleet.blobs.find(({ digest }) => String(request).includes(digest.slice(7)))!
        const headers = `Content-Length: 64\r\nContent-Range: bytes ${range}/${sizeBytes}`
        socket.write(`HTTP/1.1 206 Partial Content\r\n${headers}\r\n\r\n`)
      })
    }
    for (let i = 0; i < 2; i++) alive.push((await round()).hosts[0]!.isAlive)
    front.drop()
    front.about.misbehave = undefined
    for (let i = 0; i < 2; i++) alive.push((await round()).hosts[0]!.isAlive)
    expect(alive).toEqual([true, true, false, false, true])
  })

  test('on the evidence of one client a host with wrong bytes is out at once, and stays out its time', async () => {
    const host = await fleet.addHost('liar')
    const { round, strike } = await watchOf(host.url)
    expect((await round()).hosts[0]).toMatchObject({ isAlive: true, circuit: 'closed' })
    const files = fleet.blobs.map((blob) => fleet.fileOf(host.tree, blob))
    const right = files.map((file) => readFileSync(file))
    for (const [i, file] of files.entries()) writeFileSync(file, Buffer.alloc(right[i]!.length, 1))
    const told = await strike(1, 100)
    expect(told).toMatchObject({ circuit: 'open' })
    expect(told!.reason).toMatch(/other bytes/)
    for (const [i, file] of files.entries()) writeFileSync(file, right[i]!)
    const circuits: string[] = []
    for (let i = 0; i < 3; i++) circuits.push((await round()).hosts[0]!.circuit)
    expect(circuits).toEqual(['open', 'open', 'closed'])
  })

  test('evidence against a good host starts probes and closes nothing; of three networks it drains until a whole read', async () => {
    const host = await fleet.addHost('accused')
    const { round, strike, watch } = await watchOf(host.url)
    await round()
    for (let i = 0; i < 10; i++) expect(await strike(1, 100)).toMatchObject({ circuit: 'closed', isAlive: true })
    await strike(1, 101)
    expect(await strike(1, 102)).toMatchObject({ circuit: 'draining' })
    await round()
    await watch.whenIdle()
    expect((await round()).hosts[0]).toMatchObject({ circuit: 'closed', isAlive: true })
    expect(host.requests().some(({ status, path }) => status === 200 && path.startsWith('/blobs/'))).toBe(true)
  })

  test('a probe of a front door that failed closes a host when one from here fails too, and no other', async () => {
    const [good, dead] = [await fleet.addHost('suspected'), await fleet.addHost('dead')]
    const { round, suspect } = await watchOf(good.url, dead.url)
    await round()
    expect(await suspect(1)).toMatchObject({ circuit: 'closed', isAlive: true })
    await dead[Symbol.asyncDispose]()
    expect(await suspect(2)).toMatchObject({ circuit: 'open', isAlive: false })
    expect(await suspect(99)).toBeUndefined()
  })

  test('one blob that is gone closes no host on evidence; all of them do', async () => {
    const host = await fleet.addHost('shrinking')
    const { round, strike } = await watchOf(host.url)
    const files = fleet.blobs.map((blob) => fleet.fileOf(host.tree, blob))
    for (let i = 0; i < 6; i++) {
      await round()
      const asked = host.requests().at(-1)!.path
      const gone = files.find((file) => file.endsWith(asked.split('?')[0]!))!
      renameSync(gone, `${gone}.gone`)
      const told = await strike(1, 100 + i)
      // The same blob may be drawn twice; then there is nothing to tell it by.
      if (told?.circuit === 'closed') {
        expect(told).toMatchObject({ isAlive: true, strikes: 1 })
        for (const file of files.filter((one) => one !== gone)) renameSync(file, `${file}.gone`)
        expect(await strike(1, 200)).toMatchObject({ circuit: 'open' })
        return
      }
      renameSync(`${gone}.gone`, gone)
      for (let j = 0; j < 4; j++) await round()
    }
    throw new Error('the same blob was drawn six times')
  })

  test('a restart lets no host in again that was closed or draining', async () => {
    const [liar, accused] = [await fleet.addHost('closed'), await fleet.addHost('drained')]
    const { round, strike, watch, tools } = await watchOf(liar.url, accused.url)
    await round()
    for (const blob of fleet.blobs) writeFileSync(fleet.fileOf(liar.tree, blob), Buffer.alloc(blob.sizeBytes, 1))
    await strike(1, 100)
    for (const prefix of [100, 101, 102]) await strike(2, prefix)
    const before = await watch.rebuild()
    expect(before.health.hosts.map(({ circuit }) => circuit)).toEqual(['open', 'draining'])
    fleet.copyTo(liar.tree, fleet.blobs)
    const again = new FleetWatch(tools, options, before)
    const after = await again.round()
    await again.whenIdle()
    expect(after.health.hosts.map(({ circuit }) => circuit)).toEqual(['open', 'draining'])
    // A whole read brings the one back, time and good rounds the other.
    expect((await again.round()).health.hosts[1]).toMatchObject({ circuit: 'closed' })
  })

  test('bytes of ours that have rotted take no host down, and are told of', async () => {
    const hosts = [await fleet.addHost('sound-one'), await fleet.addHost('sound-two')]
    const { round, failures } = await watchOf(...hosts.map(({ url }) => url))
    await round()
    const own = fleet.blobs.slice(0, 4).map((blob) => fleet.fileOf(join(fleet.folder, 'origin'), blob))
    const before = own.map((path) => readFileSync(path))
    for (const [i, path] of own.entries())
      writeFileSync(
        path,
        before[i]!.map((byte) => byte ^ 1),
      )
    try {
      for (let i = 0; i < 8; i++) expect((await round()).hosts.map(({ isAlive }) => isAlive)).toEqual([true, true])
    } finally {
      for (const [i, path] of own.entries()) writeFileSync(path, before[i]!)
    }
    expect(String(failures[0])).toMatch(/origin's own sha256:[0-9a-f]+ is damaged/)
  })

  test('a whole read that fails by our own fault is told, ends nothing else, and the host stays as it was', async () => {
    const host = await fleet.addHost('innocent')
    const { round, strike, watch, tools, failures } = await watchOf(host.url)
    await round()
    for (const prefix of [100, 101, 102]) await strike(1, prefix)
    const { client } = tools
    const outOfFiles = new Error('EMFILE')
    const send: typeof client.send = (asked) =>
      asked.headers?.range === undefined ? Promise.reject(outOfFiles) : client.send(asked)
    tools.client = { send } as typeof client
    await round()
    await watch.whenIdle()
    expect(failures).toEqual([outOfFiles])
    tools.client = client
    expect((await round()).hosts[0]).toMatchObject({ circuit: 'draining', isAlive: true })
  })

  /** From now on it breaks off whatever is not a closed range. */
  function beTwoFaced(host: WebHost, front: Awaited<ReturnType<typeof frontOf>>): void {
    front.drop()
    front.about.misbehave = (socket) => {
      socket.once('data', (request) => {
        const [, first, last] = /range: bytes=([0-9]+)-([0-9]+)/i.exec(String(request)) ?? []
        if (first === undefined) return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nhalf of it')
        const blob = fleet.blobs.find(({ digest }) => String(request).includes(digest.slice(7)))!
        const part = readFileSync(fleet.fileOf(host.tree, blob)).subarray(Number(first), Number(last) + 1)
        const range = `Content-Range: bytes ${first}-${last}/${blob.sizeBytes}`
        socket.write(
          `HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Length: ${part.length}\r\n${range}\r\n\r\n`,
        )
        return socket.end(part)
      })
    }
  }

  test('one client that came back finds out a host that is good to probes and bad to clients, and probes do not bring it back', async () => {
    const host = await fleet.addHost('two-faced-at-once')
    const front = await frontOf(host)
    const { round, watch } = await watchOf(front.url)
    await round()
    const [blob] = fleet.blobs
    expect(await watch.readAsClient(1, blob!.digest, { isStrike: false })).toBeUndefined()
    await round()
    beTwoFaced(host, front)
    const told = await watch.readAsClient(1, blob!.digest, { isStrike: false })
    expect(told?.hosts[0]).toMatchObject({ circuit: 'open', isAlive: true })
    expect(told?.hosts[0]?.reason).toMatch(/good to probes, but .* broke off after 10 bytes/)
    const circuits = new Set<string>()
    for (let i = 0; i < 6; i++) {
      circuits.add((await round()).hosts[0]!.circuit)
      await watch.whenIdle()
    }
    expect(circuits).toEqual(new Set(['open', 'draining']))
  })

  test('a host that is good to probes and bad to whole reads is found out by the drain', async () => {
    const host = await fleet.addHost('two-faced')
    const front = await frontOf(host)
    const { round, strike, watch } = await watchOf(front.url)
    await round()
    for (const prefix of [100, 101, 102]) await strike(1, prefix)
    beTwoFaced(host, front)
    await round()
    await watch.whenIdle()
    const [told] = (await round()).hosts
    expect(told).toMatchObject({ circuit: 'open' })
    expect(told!.reason).toMatch(/broke off after 10 bytes/)
  })

  test('when nobody answers it is our own trouble for a minute, and then it is believed', async () => {
    const hosts = await Promise.all(['a', 'b', 'c'].map((name) => fleet.addHost(`silent-${name}`)))
    const fronts = await Promise.all(hosts.map(frontOf))
    const { round } = await watchOf(...fronts.map(({ url }) => url))
    expect((await round()).hosts.map(({ isAlive }) => isAlive)).toEqual([true, true, true])
    for (const front of fronts) {
      front.drop()
      front.about.misbehave = (socket) => void socket.resume()
    }
    const alive: number[] = []
    for (let i = 0; i < 8; i++) alive.push((await round()).hosts.filter(({ isAlive }) => isAlive).length)
    expect(alive).toEqual([3, 3, 3, 3, 3, 3, 3, 0])
  })

  test('an address that dies is left out while the other one lives', async () => {
    const [one, two] = [await fleet.addHost('one'), await fleet.addHost('two')]
    const { round, records } = await watchOf(one.url)
    records.hosts[0] = { ...hostRecord(one.url), categories: [{ category: 'stable', urls: [one.url, two.url] }] }
    expect((await round()).placement.hosts[0]!.urls).toEqual([one.url, two.url])
    await one[Symbol.asyncDispose]()
    const { placement, hosts } = await round()
    expect(placement.hosts[0]!.urls).toEqual([two.url])
    expect(hosts[0]!.isAlive).toBe(true)
  })

  test('a host that is switched off is not asked, and says so', async () => {
    const host = await fleet.addHost('off')
    const { round, records } = await watchOf(host.url)
    records.hosts[0] = { ...hostRecord(host.url), isUserActive: false, disableReason: 'moving house' }
    const { placement, hosts } = await round()
    expect(placement.hosts[0]!.excluded).toBe('switched off by its own admin: moving house')
    expect(hosts).toEqual([])
    expect(host.requests()).toEqual([])
  })
})
