import { expect, test } from 'bun:test'
import pino from 'pino'
import { sentenceOf, terminalLog } from './terminal-log.ts'

const told = (log: (to: pino.Logger) => void): string => {
  let text = ''
  log(
    pino(
      { level: 'info' },
      terminalLog((more) => {
        text += more
      }),
    ),
  )
  return text
}

test.each<[string, (log: pino.Logger) => void, string]>([
  ['a warning', (log) => log.warn('the disk is nearly full'), 'flotilla: warning: the disk is nearly full\n'],
  ['news', (log) => log.info('generation 7'), 'flotilla: generation 7\n'],
  ['an error with its cause', (log) => log.error(new Error('it broke')), 'flotilla: error: it broke\n'],
  [
    'an error in words of ours',
    (log) => log.error({ err: new Error('no route') }, 'the origin is not reached'),
    'flotilla: error: the origin is not reached: no route\n',
  ],
  [
    'facts',
    (log) => log.warn({ host: 'mirror.test', tries: 3 }, 'closed'),
    'flotilla: warning: closed (host mirror.test, tries 3)\n',
  ],
])('%s is a sentence', (_, log, expected) => {
  expect(told(log)).toBe(expected)
})

test.each(['no json', '7', 'null', '"text"'])('%j is told as it stands', (line) => {
  expect(sentenceOf(`${line}\n`)).toBe(line)
})
