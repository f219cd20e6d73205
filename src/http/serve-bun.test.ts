import { expect, test } from 'bun:test'
import { connect, type Socket } from 'node:net'
import { waitUntil } from '../../test/kit/wait-until.ts'
import { listen } from './serve-bun.ts'

type Client = { readonly socket: Socket; text: string; isClosed: boolean }

function open(port: number, head: string): Client {
  const client: Client = { socket: connect(port, '127.0.0.1'), text: '', isClosed: false }
  client.socket.on('data', (chunk) => {
    client.text += chunk.toString('latin1')
  })
  client.socket.on('close', () => {
    client.isClosed = true
  })
  client.socket.on('error', () => undefined)
  client.socket.write(head)
  return client
}

test('a connection that only waits is closed; one whose body comes slowly is not, but when it waits again it is', async () => {
  const listener = listen(
    async ({ body }) => {
      let size = 0
      for await (const chunk of body ?? []) size += chunk.length
      return { status: 200, headers: {}, body: `took ${size}` }
    },
    { host: '127.0.0.1', port: 0, stallMs: 60_000, idleSeconds: 1, log: () => undefined },
  )
  try {
    const uploading = open(listener.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx')
    const waiting = open(listener.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await waitUntil(() => waiting.text.endsWith('took 0'), { what: 'the answer to a request' })
    await waitUntil(() => waiting.isClosed, { what: 'the end of a connection that waits' })
    // The body has been silent for longer than the other connection lived.
    uploading.socket.write('y')
    await waitUntil(() => uploading.text.endsWith('took 2'), { what: 'the answer to a slow body' })
    expect(uploading.isClosed).toBe(false)
    await waitUntil(() => uploading.isClosed, { what: 'the end of the connection that brought it' })
  } finally {
    await listener.stop(0)
  }
}, 60_000)
