// A listening socket that nobody accepts from and whose queue is full: the kernel drops every further SYN, as a dead machine would.
// No runtime's own listener can do this: they accept by themselves.

import { dlopen, FFIType, ptr } from 'bun:ffi'
import { connect, type Socket } from 'node:net'

const { symbols: libc } = dlopen('libc.so.6', {
  socket: { args: [FFIType.int, FFIType.int, FFIType.int], returns: FFIType.int },
  setsockopt: { args: [FFIType.int, FFIType.int, FFIType.int, FFIType.ptr, FFIType.u32], returns: FFIType.int },
  bind: { args: [FFIType.int, FFIType.ptr, FFIType.u32], returns: FFIType.int },
  listen: { args: [FFIType.int, FFIType.int], returns: FFIType.int },
  close: { args: [FFIType.int], returns: FFIType.int },
})

const internet = 2
const streamCloseOnExec = 1 | 0o2000000
const socketLevel = 1
const reuseAddress = 2

/** struct sockaddr_in: family (host order), port (network order), address. */
function socketAddress(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, internet, true)
  view.setUint16(2, port)
  bytes.set(address.split('.').map(Number), 4)
  return bytes
}

function must(code: number, what: string): number {
  if (code < 0) throw new Error(`${what} failed for a socket that drops connections`)
  return code
}

/** Resolves when connections to it hang; dispose closes it. */
export async function dropConnections(address: string, port: number): Promise<Disposable> {
  const fd = must(libc.socket(internet, streamCloseOnExec, 0), 'socket')
  must(libc.setsockopt(fd, socketLevel, reuseAddress, ptr(new Int32Array([1])), 4), 'setsockopt')
  must(libc.bind(fd, ptr(socketAddress(address, port)), 16), 'bind')
  must(libc.listen(fd, 0), 'listen')
  // A backlog of 0 holds one connection: this one.
  const filler = await new Promise<Socket>((resolve, reject) => {
    const socket = connect(port, address, () => resolve(socket))
    socket.on('error', reject)
  })
  filler.on('error', () => undefined)
  return {
    [Symbol.dispose]() {
      filler.destroy()
      libc.close(fd)
    },
  }
}
