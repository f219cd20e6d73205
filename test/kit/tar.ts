// A ustar writer: enough for image layers and archives made without any client.

export type TarEntry = { readonly name: string; readonly bytes: Uint8Array }

const blockBytes = 512

function header(name: string, sizeBytes: number): Uint8Array {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  block.write(name, 0, 100)
  block.write(octal(0o644, 7) + octal(0, 7) + octal(0, 7) + octal(sizeBytes, 11) + octal(0, 11), 100)
  block.write('        0', 148) // the sum counts its own field as spaces; type '0' is a file
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

export function makeTar(entries: readonly TarEntry[]): Uint8Array {
  const pieces = entries.flatMap(({ name, bytes }) => {
    const padding = (blockBytes - (bytes.length % blockBytes)) % blockBytes
    return [header(name, bytes.length), bytes, Buffer.alloc(padding)]
  })
  return Buffer.concat([...pieces, Buffer.alloc(2 * blockBytes)])
}
