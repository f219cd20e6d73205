// Requests that nobody should send: made by a grammar that knows what the front door answers, then bent. Every part that a client
// chooses carries the mark, so that a byte of it in the head of an answer is seen.

import { blobPath, type Digest } from '#oci/digest.ts'
import { mediaTypes } from '#oci/media-type.ts'
import { config, digestOf, largeConfig, layer, manifest } from './front-door.ts'

/** In what is sent; never in the head of an answer. */
export const mark = 'zqxj'

type Dice = () => number

// Worked out once: a digest is most of what a request would cost otherwise.
const [layerDigest, configDigest, largeConfigDigest, manifestDigest, markDigest] = [
  layer,
  config,
  largeConfig,
  manifest,
  mark,
].map(digestOf) as [Digest, Digest, Digest, Digest, Digest]

export class HostileRequests {
  readonly #dice: Dice

  constructor(dice: Dice) {
    this.#dice = dice
  }

  #below(count: number): number {
    return Math.floor(this.#dice() * count)
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }

  #chance(part: number): boolean {
    return this.#dice() < part
  }

  /** The bytes of one connection, and where they are cut into pieces. */
  connection(): { readonly bytes: Buffer; readonly requests: number; readonly cuts: readonly number[] } {
    const requests = 1 + this.#below(12)
    const parts: Buffer[] = this.#chance(0.2) ? [this.#proxyHeader()] : []
    for (let i = 0; i < requests; i++) parts.push(this.#request())
    let bytes: Buffer = Buffer.concat(parts)
    if (this.#chance(0.1)) bytes = bytes.subarray(0, this.#below(bytes.length))
    const cuts = this.#chance(0.3)
      ? Array.from({ length: 1 + this.#below(4) }, () => this.#below(bytes.length + 1))
      : []
    return { bytes, requests, cuts: cuts.sort((a, b) => a - b) }
  }

  #request(): Buffer {
    const lines = [`${this.#method()} ${this.#target()} ${this.#version()}`]
    if (!this.#chance(0.03)) lines.push(`Host: ${this.#one(['x', 'registry.example.org', '[::1]:5001', mark])}`)
    for (let i = this.#below(4); i > 0; i--) lines.push(this.#chance(0.1) ? this.#deadlyHeader() : this.#header())
    const end = this.#chance(0.02) ? '\n' : '\r\n'
    const bytes = Buffer.from([...lines, '', ''].join(end), 'latin1')
    return this.#chance(0.08) ? this.#bent(bytes) : bytes
  }

  #method(): string {
    return this.#chance(0.9)
      ? this.#one(['GET', 'GET', 'HEAD'])
      : this.#one(['POST', 'get', 'PUT', 'TRACE', 'CONNECT', mark, ''])
  }

  #version(): string {
    return this.#chance(0.98) ? 'HTTP/1.1' : this.#one(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.9', 'http/1.1', mark, ''])
  }

  #target(): string {
    const base = '/v2/fedora/base'
    const path = this.#one([
      `${base}/blobs/${layerDigest}`,
      `${base}/blobs/${layerDigest}`,
      `${base}/blobs/${configDigest}`,
      `${base}/blobs/${largeConfigDigest}`,
      `${base}/blobs/${markDigest}`,
      `${base}/manifests/v0${this.#below(9)}`,
      `${base}/manifests/${manifestDigest}`,
      `${base}/manifests/${mark}`,
      `${base}/tags/list`,
      `${base}/referrers/${manifestDigest}`,
      `/v2/${mark}/manifests/latest`,
      `/${blobPath(layerDigest)}`,
      '/v2/',
      '/v2/_catalog',
      '/mirrorlist',
      '/metalink',
      `/${mark}`,
    ])
    const queried = this.#chance(0.4) ? `${path}?${this.#query()}` : path
    return this.#chance(0.2) ? this.#bentTarget(queried) : queried
  }

  #query(): string {
    const value = () =>
      this.#one([
        mark,
        `${mark}%0d%0aX-Evil:%201`,
        '%00',
        '',
        '1',
        '-1',
        '99999999999999999999',
        `https://evil.example/${mark}`,
        '../..',
        layerDigest,
        `${mark}${'a'.repeat(300)}`,
      ])
    const names = ['miss', 't', 'ip', 'n', 'last', 'digest', 'artifactType', mark]
    return Array.from({ length: 1 + this.#below(3) }, () => `${this.#one(names)}=${value()}`).join('&')
  }

  #bentTarget(target: string): string {
    const at = this.#below(target.length + 1)
    const put = (text: string) => target.slice(0, at) + text + target.slice(at)
    switch (this.#below(7)) {
      case 0:
        return put(
          this.#one([
            '../',
            '/..',
            '%2e%2e/',
            '//',
            '\\',
            '%00',
            '%0d%0aLocation:%20//evil.example',
            '%',
            '%zz',
            '#',
            ';',
            '\t',
          ]),
        )
      case 1:
        return `http://evil.example${target}`
      case 2:
        return `//evil.example/${mark}${target}`
      case 3:
        return put(String.fromCharCode(this.#below(256)))
      case 4:
        return target.replace(/./, (first) => first).replaceAll(':', this.#one(['%3a', '%3A', '%253a', '::']))
      case 5:
        return put(mark.repeat(1 + this.#below(3000)))
      default:
        return target
          .split('')
          .map((one) => (this.#chance(0.2) ? `%${one.charCodeAt(0).toString(16)}` : one))
          .join('')
    }
  }

  #header(): string {
    const etag = this.#one([`"${configDigest}"`, `"${manifestDigest}"`, `W/"${mark}"`, '*', `"${mark}", "x"`, '"'])
    const address = () =>
      this.#one(['10.1.2.3', '192.0.2.77', '2001:db8::5', '::ffff:10.1.1.1', '127.0.0.1', mark, '[', '1.2.3', ''])
    return this.#one<() => string>([
      () => `Range: ${this.#range()}`,
      () => `Range: ${this.#range()}`,
      () => `If-None-Match: ${etag}`,
      () => `If-Range: ${etag}`,
      () =>
        `Accept: ${this.#one([mediaTypes.ociManifest, '*/*', `${mark}/*;q=0`, ',;,;q=', `${mediaTypes.ociIndex};q=${mark}`])}`,
      () => `X-Forwarded-For: ${Array.from({ length: 1 + this.#below(4) }, address).join(',')}`,
      () => `User-Agent: ${this.#one(['docker/28.5.2', 'containerd/1.6.20', 'oras/1.3.3', mark, `${mark}\u00e9`])}`,
      () => `X-Short: ${mark}`,
      () => `Accept-Encoding: ${this.#one(['zstd', 'gzip;q=1', mark])}`,
    ])()
  }

  /** One after which the connection most often ends. */
  #deadlyHeader(): string {
    return this.#one<() => string>([
      () => `Connection: ${this.#one(['close', 'keep-alive', mark, 'upgrade'])}`,
      () => `Content-Length: ${this.#one(['0', '5', '-1', '0, 0', mark])}`,
      () => `Transfer-Encoding: ${this.#one(['chunked', 'identity', mark])}`,
      () => `Expect: ${this.#one(['100-continue', mark])}`,
      () => `Host: ${mark}`,
      () => `${mark}: ${mark}\r\n folded`,
      () => `X-Long: ${mark.repeat(this.#below(9000))}`,
      () => Array.from({ length: this.#below(130) }, (_, i) => `X-${i}: ${mark}`).join('\r\n') || 'X: y',
      () => `X-Bytes: ${String.fromCharCode(this.#below(256), this.#below(256))}${mark}`,
    ])()
  }

  #range(): string {
    if (this.#chance(0.4))
      return this.#one(['bytes=0-9', 'bytes=-5', 'bytes=5-', 'bytes=0-', 'bytes=999999-', 'bytes=0-1,4-5'])
    const number = () => this.#one(['0', '1', '299999', '300000', '-5', '1048576', '99999999999999999999', mark, ''])
    const spec = () => `${number()}-${number()}`
    return `${this.#one(['bytes=', 'bytes=', 'BYTES=', 'bytes ', `${mark}=`, ''])}${Array.from({ length: this.#one([1, 1, 2, 70]) }, spec).join(',')}`
  }

  /** A few bytes of it changed, left out, doubled or put in. */
  #bent(bytes: Buffer): Buffer {
    let bent = Buffer.from(bytes)
    for (let i = 1 + this.#below(3); i > 0 && bent.length > 0; i--) {
      const at = this.#below(bent.length)
      const [before, after] = [bent.subarray(0, at), bent.subarray(at)]
      const put = Buffer.from(
        this.#one(['\r', '\n', '\r\n', '\0', ' ', '\t', ':', '\x7f', '\x80', '\xff', mark]),
        'latin1',
      )
      const choice = this.#below(4)
      if (choice === 0) bent[at] = this.#below(256)
      else if (choice === 1) bent = Buffer.concat([before, after.subarray(1 + this.#below(4))])
      else if (choice === 2) bent = Buffer.concat([before, put, after])
      else bent = Buffer.concat([before, after.subarray(0, 20), after])
    }
    return bent
  }

  #proxyHeader(): Buffer {
    const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
    const address = Buffer.from(Array.from({ length: 12 }, () => this.#below(256)))
    const tlv = Buffer.from([this.#below(256), 0, 2, this.#below(256), this.#below(256)])
    const tlvs = Buffer.concat(Array.from({ length: this.#below(3) }, () => tlv))
    const length = this.#chance(0.9) ? address.length + tlvs.length : this.#below(65_536)
    const fixed = Buffer.from([
      this.#chance(0.9) ? 0x21 : this.#below(256),
      this.#one([0x11, 0x11, 0x21, 0, 0x31]),
      length >> 8,
      length & 255,
    ])
    const header = this.#chance(0.5)
      ? Buffer.concat([signature, fixed, address, tlvs])
      : Buffer.from(
          `PROXY ${this.#one(['TCP4', 'TCP6', 'UNKNOWN', mark])} ${this.#one(['10.0.0.9', '2001:db8::9', mark])} 192.0.2.1 ${this.#below(70_000)} 443\r\n`,
        )
    return this.#chance(0.2) ? this.#bent(header) : header
  }
}
