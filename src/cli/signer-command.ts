// `flotilla signer`: what holds the keys when the worker should not.

import { Command, InvalidArgumentError } from 'commander'

export type RunSigner = (socket: string) => Promise<{ readonly keys: string; stop(): Promise<void> }>

export function signerCommand(run: RunSigner): Command {
  return new Command('signer')
    .description(
      "hold the keys of this data folder in a process of its own; FLOTILLA_SIGNER=unix:<path> is the worker's side",
    )
    .requiredOption('--listen <socket>', 'unix:<path>, for this user only', socketPath)
    .action(async ({ listen }: { listen: string }) => {
      process.umask(0o077)
      const stopped = new Promise<void>((resolve) => {
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
      })
      const running = await run(listen)
      process.stdout.write(`Signing at ${listen} with the keys in ${running.keys}.\n`)
      await stopped
      await running.stop()
    })
}

function socketPath(text: string): string {
  if (!/^unix:.+/.test(text)) throw new InvalidArgumentError('It takes unix:<path>.')
  return text.slice('unix:'.length)
}
