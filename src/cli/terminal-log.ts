// The program's log for a person at a terminal: what pino writes as a line of JSON, as a sentence.

const names: Readonly<Record<number, string>> = { 40: 'warning: ', 50: 'error: ', 60: 'error: ' }
/** What every record has, and nobody at a terminal asks for. */
const usual = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'err'])

/** A destination for pino. */
export function terminalLog(write: (text: string) => void): { write(line: string): void } {
  return { write: (line) => write(`${sentenceOf(line)}\n`) }
}

/** `line`: one record of pino. Whatever it is not is told as it stands. */
export function sentenceOf(line: string): string {
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    return line.trimEnd()
  }
  if (typeof record !== 'object' || record === null) return line.trimEnd()
  const { level, msg, err, ...rest } = record as Record<string, unknown>
  const cause = (err as { message?: unknown } | undefined)?.message
  const facts = Object.entries(rest)
    .filter(([name]) => !usual.has(name))
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  // pino takes the message of an error for the record's where it has none.
  const told = [msg, cause === msg ? undefined : cause].filter((text) => text !== undefined).join(': ')
  return `flotilla: ${names[level as number] ?? ''}${told}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`
}
