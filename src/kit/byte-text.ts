const units = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const

/** For people, rounded: `1.5 GiB`. */
export function byteText(value: number): string {
  for (const [unit, size] of units) {
    if (value >= size) return `${(value / size).toFixed(value >= size * 100 ? 0 : 1)} ${unit}`
  }
  return `${value} B`
}

/** For people, and different for different values: `500 GiB`, `5000 bytes`. */
export function exactByteText(value: number): string {
  const exact = units.find(([, size]) => value >= size && value % size === 0)
  return exact ? `${value / exact[1]} ${exact[0]}` : `${value} bytes`
}
