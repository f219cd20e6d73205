import { expect, test } from 'bun:test'
import { createServer } from 'node:net'
import { ask, openWire } from './wire.ts'

/** A server that answers its first bytes with `text` and then ends the connection when told to. */
async function answering(text: string, andEnds: boolean): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => (andEnds ? socket.end(text) : socket.write(text)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { port, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) }
}

test.each([
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello surplus', false, 'hello'],
  [
    'chunks',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n',
    false,
    'hello',
  ],
  ['an end', 'HTTP/1.1 200 OK\r\n\r\nhello', true, 'hello'],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', false, ''],
])('a body by %s', async (_, text, andEnds, expected) => {
  await using server = await answering(text, andEnds)
  const answer = await ask(server, 'GET / HTTP/1.1\n\n')
  expect(answer.body.toString()).toBe(expected)
})

test('headers, once and several times', async () => {
  await using server = await answering(
    'HTTP/1.1 404 Not Found\r\nA: 1\r\nb: 2\r\na: 3\r\nContent-Length: 0\r\n\r\n',
    false,
  )
  const answer = await ask(server, 'HEAD / HTTP/1.1\n\n')
  expect([answer.status, answer.headers('a'), answer.header('B'), answer.header('c')]).toEqual([
    404,
    ['1', '3'],
    '2',
    undefined,
  ])
  expect(() => answer.header('a')).toThrow('came 2 times')
})

test('a cut answer rejects, and the end of the connection is seen', async () => {
  await using server = await answering('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello', true)
  await using wire = await openWire(server)
  await wire.send('GET / HTTP/1.1\r\n\r\n')
  await expect(wire.receive()).rejects.toThrow('ended')
  expect((await wire.ended).toString()).toBe('hello')
})
