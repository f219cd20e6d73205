// The weighted draw. Every host draws -ln(U)/weight and the lowest comes first: it then comes first with exactly its part of the
// weights, and a higher weight can only move it forward. U is a hash, so the same client, digest and epoch meet the same order,
// and a host that comes or goes moves nobody else.

import { digestBits, mix } from '#kit/hash-bits.ts'
import type { HostGrade, PlacedHost } from '#snapshots/placement.ts'

/** Of the first bits after `algorithm:`. */
export function seedOf(prefixKey: number, digest: string, epoch: number): number {
  const high = Math.floor(prefixKey / 0x1_0000_0000)
  return mix(mix(mix(mix(prefixKey | 0) ^ high) ^ digestBits(digest, 7)) ^ epoch) >>> 0
}

/** A host's part of every draw, made once. */
export function keyOf(id: number): number {
  return mix(id + 0x9e3779b9)
}

/** Uniform in (0, 1), one number for each seed and key. */
export function uniformOf(seed: number, key: number): number {
  return ((mix(key ^ seed) >>> 0) + 0.5) / 0x1_0000_0000
}

const gradeFactors: Readonly<Record<HostGrade, number>> = { gold: 1, proven: 1, probation: 0.25 }
const widestMbps = 400_000

/** Never 0 and always finite: nonsense declares the least bandwidth. */
export function weightOf(host: PlacedHost): number {
  const mbps = host.bandwidthMbps >= 1 ? Math.min(host.bandwidthMbps, widestMbps) : 1
  return mbps * gradeFactors[host.grade]
}

/** What a host draws; the lowest comes first. Never below (1 - U) / weight, which is cheaper to know. */
export function drawOf(seed: number, host: PlacedHost): number {
  return -Math.log(uniformOf(seed, keyOf(host.id))) * (1 / weightOf(host))
}
