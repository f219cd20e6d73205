// A signing command as an operator would write one, for tests: keys in a folder, no memory.
//   bun signing-command.ts <keys> [wrong-key|garbage|fail|hang|endless]

import { sign } from 'node:crypto'
import { keyPath } from '#trust/file-signer.ts'
import { publicOf, readPrivateKey } from '#trust/private-key.ts'

const [keys = '', trouble] = process.argv.slice(2)
const ask = (await Bun.stdin.json()) as { do: string; role: 'timestamp'; bytes: string }
if (ask.do === 'sign' && trouble === 'fail') {
  console.error('token 0 is not plugged in')
  process.exit(3)
}
if (ask.do === 'sign' && trouble === 'hang') await new Promise(() => setInterval(() => undefined, 1000))
if (ask.do === 'sign' && trouble === 'garbage') console.log('signed, I think')
else if (ask.do === 'sign' && trouble === 'endless') for (;;) process.stdout.write('x'.repeat(65_536))
else {
  const asked = ask.do === 'sign' && trouble === 'wrong-key' ? 'snapshot' : ask.role
  const key = await readPrivateKey(keyPath(keys, asked))
  if (ask.do === 'key') console.log(JSON.stringify(key ? publicOf(key) : null))
  else if (!key) console.log(JSON.stringify({ refused: `no key for ${asked}` }))
  else console.log(JSON.stringify({ sig: sign(null, Buffer.from(ask.bytes, 'base64'), key).toString('hex') }))
}
