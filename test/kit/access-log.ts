// Access logs in the combined format, which nginx and Apache httpd both write as they come.

import { readFileSync } from 'node:fs'

export type LoggedRequest = {
  readonly method: string
  readonly path: string
  readonly status: number
  /** Of the body (nginx) or of the whole answer (Apache httpd). */
  readonly sentBytes: number
  readonly agent: string
}

const line = /^\S+ \S+ \S+ \[[^\]]*\] "(\S+) ([^ ?]*)\S* [^"]*" (\d+) (\d+|-) "[^"]*" "([^"]*)"$/

export function parseAccessLog(text: string): LoggedRequest[] {
  return text
    .split('\n')
    .map((one) => line.exec(one))
    .filter((match) => match !== null)
    .map(([, method = '', path = '', status, sent, agent = '']) => {
      return { method, path, status: Number(status), sentBytes: sent === '-' ? 0 : Number(sent), agent }
    })
}

export function readAccessLog(file: string): LoggedRequest[] {
  return parseAccessLog(readFileSync(file, 'utf8'))
}
