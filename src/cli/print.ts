// Commands print for people, or with --json for programs. A terminal is told nothing that could drive it: control characters go.

export type Output = { readonly isJson: boolean; write(text: string): void }

export function clean(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
}

/** Of several lines, each cleaned: they hold words of pushed images and of hosts. */
function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n')
}

/** Columns as wide as their widest cell; nothing at all for no rows but `empty`. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
  empty: string,
): string {
  if (rows.length === 0) return `${empty}\n`
  const cells = [headings, ...rows.map((row) => row.map((cell) => clean(String(cell ?? '-'))))]
  const widths = headings.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

export function print(output: Output, value: unknown, forPeople: () => string): void {
  output.write(output.isJson ? `${JSON.stringify(value)}\n` : cleanLines(forPeople()))
}

const shortHexDigits = 12

/** `sha256:0123456789ab` for people; programs get all of it. */
export function shortDigest(digest: string | null | undefined): string {
  return digest ? digest.slice(0, digest.indexOf(':') + 1 + shortHexDigits) : '-'
}

export function ago(iso: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1000))
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (seconds >= size) return `${Math.floor(seconds / size)}${unit} ago`
  }
  return `${seconds}s ago`
}
