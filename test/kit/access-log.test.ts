import { expect, test } from 'bun:test'
import { parseAccessLog } from './access-log.ts'

test('combined lines as nginx and Apache httpd write them', () => {
  const text = `127.0.0.1 - - [24/Nov/2026:06:00:00 +0000] "GET /blobs/sha256/ab/abcd?t=x HTTP/1.1" 206 64 "-" "docker/20.10 (linux)"
127.0.0.2 - - [24/Nov/2026:06:00:00 +0000] "HEAD / HTTP/1.1" 304 - "http://front/v2/" "-"
half a line`
  expect(parseAccessLog(text)).toEqual([
    { method: 'GET', path: '/blobs/sha256/ab/abcd', status: 206, sentBytes: 64, agent: 'docker/20.10 (linux)' },
    { method: 'HEAD', path: '/', status: 304, sentBytes: 0, agent: '-' },
  ])
})
