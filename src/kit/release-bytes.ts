/** Gives the memory of bytes back at once; they are empty from then on. A garbage collector sees a small object for each of them and
 *  lets hundreds of megabytes pile up behind (eight 1 GiB uploads at once: 300 MiB without this, 130 MiB with it). Bytes that share
 *  their memory with others are left alone. */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0)
}
