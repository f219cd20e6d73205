import { describe, expect, test } from 'bun:test'
import type { Ask } from '#http/answer.ts'
import { RegistryError } from '#oci/errors.ts'
import { chunkOf } from './chunk.ts'

async function* inPieces(...pieces: string[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

function ask(headers: Record<string, string>, ...pieces: string[]): Ask {
  const body = pieces.length > 0 ? inPieces(...pieces) : undefined
  return {
    method: 'PATCH',
    path: '/',
    query: '',
    peer: '127.0.0.1',
    isTls: false,
    body,
    header: (name) => headers[name],
  }
}

async function read(
  bytes: AsyncIterable<Uint8Array> | undefined,
): Promise<{ text: string; error: string | undefined }> {
  let text = ''
  try {
    for await (const piece of bytes ?? []) text += Buffer.from(piece).toString()
    return { text, error: undefined }
  } catch (error) {
    return { text, error: (error as RegistryError).code }
  }
}

describe('the bytes that are kept, and the error at their end', () => {
  const cases: [Record<string, string>, string[], number | undefined, string, string | undefined][] = [
    [{}, [], undefined, '', undefined],
    [{}, ['ab', 'c'], undefined, 'abc', undefined],
    [{ 'content-length': '3' }, ['ab', 'c'], undefined, 'abc', undefined],
    [{ 'content-length': '4' }, ['ab', 'c'], undefined, 'abc', 'SIZE_INVALID'],
    [{ 'content-length': '2' }, ['ab', 'c'], undefined, 'ab', 'SIZE_INVALID'],
    [{ 'content-range': '5-7' }, ['ab', 'c'], 5, 'abc', undefined],
    [{ 'content-range': '5-8' }, ['ab', 'c'], 5, 'abc', 'SIZE_INVALID'],
    [{ 'content-range': '5-6' }, ['a', 'bc'], 5, 'ab', 'SIZE_INVALID'],
    [{ 'content-range': '0-2', 'content-length': '3' }, ['abc'], 0, 'abc', undefined],
    [{ 'content-range': 'bytes 0-2/*' }, ['abc'], 0, 'abc', undefined],
    [{ 'content-range': 'bytes=0-2' }, ['abc'], 0, 'abc', undefined],
    [{ 'content-range': 'bytes 0-2/3' }, ['abc'], 0, 'abc', undefined],
  ]
  test.each(cases)('%#', async (headers, pieces, first, text, error) => {
    const chunk = chunkOf(ask(headers, ...pieces))
    expect(chunk.first).toBe(first)
    expect(await read(chunk.bytes)).toEqual({ text, error })
  })
})

test.each([
  [{ 'content-range': '' }, 'BLOB_UPLOAD_INVALID'],
  [{ 'content-range': 'x' }, 'BLOB_UPLOAD_INVALID'],
  [{ 'content-range': '2-1' }, 'BLOB_UPLOAD_INVALID'],
  [{ 'content-range': '0-' }, 'BLOB_UPLOAD_INVALID'],
  [{ 'content-range': `0-${'9'.repeat(16)}` }, 'BLOB_UPLOAD_INVALID'],
  [{ 'content-range': '0-2', 'content-length': '2' }, 'SIZE_INVALID'],
] as const)('%j is refused before a byte is read', (headers, code) => {
  try {
    chunkOf(ask(headers, 'abc'))
    throw new Error('it was taken')
  } catch (error) {
    expect(error).toBeInstanceOf(RegistryError)
    expect((error as RegistryError).code).toBe(code)
  }
})

test('a Content-Range without a body is refused', () => {
  expect(() => chunkOf(ask({ 'content-range': '0-0' }))).toThrow('the request has none')
})
