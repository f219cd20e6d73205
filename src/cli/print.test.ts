import { expect, test } from 'bun:test'
import { print } from './print.ts'

function printed(isJson: boolean, value: unknown, text: string): string {
  let out = ''
  print({ isJson, write: (more) => (out += more) }, value, () => text)
  return out
}

test('what a terminal would obey does not reach it; lines stay lines', () => {
  expect(printed(false, {}, 'crawl  \u001b]0;mine\u0007\n\u009b2J\rhost\n')).toBe(
    'crawl  \ufffd]0;mine\ufffd\n\ufffd2J\ufffdhost\n',
  )
})

test('programs get every character', () => {
  expect(JSON.parse(printed(true, { name: 'a\u001b[2J' }, ''))).toEqual({ name: 'a\u001b[2J' })
})
