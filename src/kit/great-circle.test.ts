import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { distanceKm } from './great-circle.ts'

const prague = { latitude: 50.088, longitude: 14.4208 }

test.each([
  ['itself', prague, 0],
  ['Brno', { latitude: 49.1952, longitude: 16.608 }, 185],
  ['Tokyo', { latitude: 35.6895, longitude: 139.6917 }, 9_070],
  ['the point under its feet', { latitude: -50.088, longitude: -165.5792 }, 20_015],
] as const)('from Prague to %s', (_, there, km) => {
  expect(Math.abs(distanceKm(prague, there) - km)).toBeLessThan(1 + km * 0.005)
})

test('is the same both ways, and never more than half the earth', () => {
  const position = fc.record({
    latitude: fc.double({ min: -90, max: 90, noNaN: true }),
    longitude: fc.double({ min: -180, max: 180, noNaN: true }),
  })
  fc.assert(
    fc.property(position, position, (a, b) => {
      expect(distanceKm(a, b)).toBeCloseTo(distanceKm(b, a), 6)
      expect(distanceKm(a, b)).toBeLessThan(20_016)
    }),
  )
})

test('across the date line it is short', () => {
  expect(distanceKm({ latitude: 0, longitude: 179.5 }, { latitude: 0, longitude: -179.5 })).toBeCloseTo(111.2, 0)
})
