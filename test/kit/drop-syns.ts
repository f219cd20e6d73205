// An address that drops connection requests, as a firewall does: a socket listens there without ever accepting, and its queue is full.

import { dlopen, FFIType, ptr } from 'bun:ffi'

const { i32, u32, ptr: pointer } = FFIType

function openLibrary() {
  return dlopen('libc.so.6', {
    socket: { args: [i32, i32, i32], returns: i32 },
    setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
    bind: { args: [i32, pointer, u32], returns: i32 },
    listen: { args: [i32, i32], returns: i32 },
    connect: { args: [i32, pointer, u32], returns: i32 },
    close: { args: [i32], returns: i32 },
  }).symbols
}

let library: ReturnType<typeof openLibrary> | undefined

/** sockaddr_in of Linux: family in host order, port and address in network order. */
function addressBytes(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeUInt16LE(2, 0)
  bytes.writeUInt16BE(port, 2)
  for (const [i, part] of address.split('.').entries()) bytes[4 + i] = Number(part)
  return bytes
}

const stream = 1
const nonBlocking = 0o4000
const closeOnExec = 0o2000000
const [solSocket, reuseAddress] = [1, 2] as const
/** With a backlog of 0 Linux completes one connection; some more make sure that the queue is full. */
const fillers = 3

/** Until disposed. Throws when the port is taken. */
export function dropSyns(address: string, port: number): Disposable {
  library ??= openLibrary()
  const { socket, setsockopt, bind, listen, connect, close } = library
  const where = addressBytes(address, port)
  const open = () => socket(2, stream | nonBlocking | closeOnExec, 0)
  const listener = open()
  const on = Buffer.from([1, 0, 0, 0])
  setsockopt(listener, solSocket, reuseAddress, ptr(on), on.length)
  if (bind(listener, ptr(where), where.length) !== 0 || listen(listener, 0) !== 0) {
    close(listener)
    throw new Error(`${address}:${port} cannot be bound to drop connections`)
  }
  const queue = Array.from({ length: fillers }, open)
  for (const one of queue) connect(one, ptr(where), where.length)
  return {
    [Symbol.dispose]() {
      for (const one of [...queue, listener]) close(one)
    },
  }
}
