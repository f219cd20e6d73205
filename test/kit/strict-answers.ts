// Reads all that a server sent on one connection, and accepts nothing that the letter of HTTP/1.1 does not say.

export type StrictAnswer = {
  readonly status: number
  readonly head: string
  readonly headers: ReadonlyMap<string, string>
}

const statusLine = /^HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z -]*$/
const fieldLine = /^([a-z][a-z-]*): ([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/

function readHead(head: string): StrictAnswer {
  const [first = '', ...lines] = head.split('\r\n')
  const status = statusLine.exec(first)?.[1]
  if (status === undefined) throw new Error(`no status line: ${JSON.stringify(first)}`)
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value = ''] = fieldLine.exec(line) ?? []
    if (name === undefined || headers.has(name)) throw new Error(`not a header, or twice: ${JSON.stringify(line)}`)
    headers.set(name, value)
  }
  return { status: Number(status), head, headers }
}

/** Throws at the first byte that is wrong. Nobody knows which bent request was a HEAD: then the next answer, or the end, follows its
 *  head at once, and no body of the front door begins like an answer. */
export function readAnswers(bytes: Buffer): StrictAnswer[] {
  const answers: StrictAnswer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0)
      throw new Error(`the end of a head is missing: ${JSON.stringify(bytes.toString('latin1', at, at + 200))}`)
    const answer = readHead(bytes.toString('latin1', at, end))
    answers.push(answer)
    at = end + 4
    const length = lengthOf(answer)
    const isBodiless = at === bytes.length || bytes.toString('latin1', at, at + 9) === 'HTTP/1.1 '
    if (isBodiless) continue
    if (at + length > bytes.length) throw new Error(`a body of ${length} bytes has only ${bytes.length - at}`)
    if (answer.status >= 400 && length > 0) JSON.parse(bytes.toString('utf8', at, at + length))
    at += length
  }
  return answers
}

function lengthOf({ status, headers }: StrictAnswer): number {
  const length = headers.get('content-length')
  if (headers.has('transfer-encoding')) throw new Error('nothing here is of unknown length')
  if (status === 304 && length === undefined) return 0
  if (length === undefined || !/^(?:0|[1-9]\d*)$/.test(length)) throw new Error(`content-length: ${length}`)
  return Number(length)
}
