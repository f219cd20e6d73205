// keys: who may sign what. Works on the data folder's keys, whether a server runs or not; `new` and `sign` need neither data nor network.

import { createInterface } from 'node:readline/promises'
import { Argument, Command, InvalidArgumentError } from 'commander'
import { type Output, print } from './print.ts'
import { type KeysOutcome, type KeysStatus, outcomeText, statusText } from './print-keys.ts'
import { wholeNumber } from './whole-number.ts'

const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const
type Role = (typeof roles)[number]

/** On the data folder. */
export type KeysDesk = {
  init(
    rootKeyFiles: readonly string[],
    threshold: number,
  ): Promise<({ isNew: true } & KeysOutcome) | ({ isNew: false } & KeysStatus)>
  status(): Promise<KeysStatus>
  change(change: {
    readonly role: Role
    readonly addFiles: readonly string[]
    readonly remove: readonly string[]
    readonly threshold: number | undefined
  }): Promise<KeysOutcome>
  renew(): Promise<KeysOutcome>
  install(files: readonly string[]): Promise<KeysOutcome>
  beginEpoch(after: Readonly<Record<string, number>>): Promise<KeysOutcome>
}

/** On files alone. */
export type HolderDesk = {
  makeKey(
    to: string,
    passphraseFile: string | undefined,
  ): Promise<{ readonly id: string; readonly keyFile: string; readonly publicFile: string }>
  review(files: {
    readonly rootFile: string
    readonly keyFile: string
    readonly previousFile: string | undefined
    readonly passphraseFile: string | undefined
  }): Promise<{
    readonly version: number
    readonly keyId: string
    readonly says: readonly string[]
    readonly isCompared: boolean
    sign(): Promise<{ readonly isComplete: boolean }>
  }>
}

export type KeysParts = { readonly desk: () => KeysDesk; readonly holder: HolderDesk; readonly output: () => Output }

const collect = (value: string, before: string[] = []) => [...before, value]

export function keysCommand(parts: KeysParts): Command {
  const keys = new Command('keys').description('keys that sign what is published: roots, thresholds, rotation, epochs')
  for (const command of [...deskCommands(parts), ...holderCommands(parts)]) keys.addCommand(command)
  return keys
}

function deskCommands({ desk, output }: KeysParts): Command[] {
  const tell = (outcome: KeysOutcome) => print(output(), outcome, () => outcomeText(outcome))
  const init = new Command('init')
    .description('make the keys and the first root, as a first start does; again: says what there is')
    .option('--root-key <file>', 'public part of a root key that is kept elsewhere; may be repeated', collect, [])
    .option('--threshold <n>', 'how many root keys must sign a root', wholeNumber, 1)
    .action(async (_, command: Command) => {
      const { rootKey, threshold } = command.opts<{ rootKey: string[]; threshold: number }>()
      const made = await desk().init(rootKey, threshold)
      const first = () =>
        made.isNew ? `Keys are in ${made.keysFolder}.\n${outcomeText(made)}` : statusText(made, Date.now())
      print(output(), made, first)
    })
  const status = new Command('status')
    .description('roots, keys, thresholds, what was signed, what waits')
    .action(async () => {
      const found = await desk().status()
      print(output(), found, () => statusText(found, Date.now()))
    })
  const rotate = new Command('rotate')
    .description('propose a root with other keys of a role; without --add and --remove a new key is made here')
    .addArgument(new Argument('<role>').choices(roles))
    .option('--add <file>', 'public part of a key that shall sign; may be repeated', collect, [])
    .option('--remove <id>', 'id of a key that shall sign no more, or its beginning; may be repeated', collect, [])
    .option('--threshold <n>', 'how many keys must sign from now on', wholeNumber)
    .action(async (role: Role, { add, remove, threshold }) =>
      tell(await desk().change({ role, addFiles: add, remove, threshold })),
    )
  const threshold = new Command('threshold')
    .description('propose a root that asks for another number of signatures')
    .argument('<n>', 'how many keys must sign', wholeNumber)
    .addOption(rotate.createOption('--role <role>', 'of which role').choices(roles).default('root'))
    .action(async (count: number, { role }: { role: Role }) =>
      tell(await desk().change({ role, addFiles: [], remove: [], threshold: count })),
    )
  const renew = new Command('renew')
    .description('propose the same root with a later expiry')
    .action(async () => tell(await desk().renew()))
  const install = new Command('install')
    .description('take the signatures of these copies of the next root together, and install it when they suffice')
    .argument('<file...>', 'the next root as holders have signed it')
    .action(async (files: string[]) => {
      const outcome = await desk().install(files)
      tell(outcome)
      if (!outcome.isInstalled) fail(`root ${outcome.version} is not installed yet: signatures are missing`)
    })
  const epoch = new Command('epoch')
    .description(
      'begin a new epoch: new online keys, generations above all that anybody has seen (after restoring a backup)',
    )
    .option(
      '--after <channel=n>',
      'highest generation that was ever published; may be repeated; default: as signed here',
      floors,
      {},
    )
    .action(async ({ after }) => tell(await desk().beginEpoch(after)))
  return [init, status, rotate, threshold, renew, install, epoch]
}

function holderCommands({ holder, output }: KeysParts): Command[] {
  const make = new Command('new')
    .description('make a key for a holder, on a machine without network')
    .requiredOption('--to <file>', 'where the key goes; FILE.pub.json gets its public part')
    .option('--passphrase-file <file>', 'encrypts the key with the first line of this file')
    .action(async ({ to, passphraseFile }) => {
      const made = await holder.makeKey(to, passphraseFile)
      print(
        output(),
        made,
        () =>
          `key          ${made.keyFile}${passphraseFile ? ', encrypted' : ''}\npublic part  ${made.publicFile}\nid           ${made.id}\n\nHand over the public part, and tell its id by another way.\n`,
      )
    })
  const sign = new Command('sign')
    .description('look at a root and add a signature to its file, on the machine of the key')
    .argument('<root>', 'the next root')
    .requiredOption('--key <file>', 'the key that signs')
    .option('--previous <file>', 'the root that is in force, as you keep it: shows what changes')
    .option('--passphrase-file <file>', 'opens the key')
    .option('--yes', 'sign without asking')
    .action(async (rootFile: string, { key, previous, passphraseFile, yes }) => {
      const review = await holder.review({ rootFile, keyFile: key, previousFile: previous, passphraseFile })
      const { isJson } = output()
      if (!isJson || !yes) process.stderr.write(reviewText(review))
      if (!yes && !(await isAgreed(`Sign root ${review.version} with key ${review.keyId}?`)))
        return fail('nothing was signed')
      const signed = await review.sign()
      const { version, keyId } = review
      print(output(), { version, keyId, file: rootFile, ...signed }, () => `Root ${version} is signed: ${rootFile}\n`)
    })
  return [make, sign]
}

function reviewText(review: {
  readonly version: number
  readonly says: readonly string[]
  readonly isCompared: boolean
}) {
  const warning = review.isCompared
    ? 'Against the root before:'
    : 'This is what it says; what it CHANGES can only be shown with --previous:'
  return [`Root ${review.version}. ${warning}`, ...review.says.map((one) => `  ${one}`), '', ''].join('\n')
}

function fail(why: string): void {
  console.error(`flotilla: ${why}`)
  process.exitCode = 1
}

/** Anything but y or yes is no; so is the end of the input. */
async function isAgreed(question: string): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  const ended = new Promise<string>((resolve) => asking.once('close', () => resolve('')))
  const answer = await Promise.race([asking.question(`${question} [y/N] `), ended])
  asking.close()
  return /^y(es)?$/i.test(answer.trim())
}

function floors(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const match = /^([a-z][a-z0-9-]*)=(\d{1,15})$/.exec(text)
  if (!match) throw new InvalidArgumentError('It takes a channel and a generation, as stable=120.')
  return { ...before, [match[1]!]: Number(match[2]) }
}
