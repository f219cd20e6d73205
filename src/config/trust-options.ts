// Keys, and how long what they sign is good for: rows of the table of options.

export const trustOptions = {
  timestampLifetime: {
    kind: 'lifetime',
    default: '3d',
    group: 'Trust',
    help: 'how long a signed tree counts as news; signed anew without change when half is over',
  },
  metadataLifetime: {
    kind: 'lifetime',
    default: '90d',
    group: 'Trust',
    help: 'how long what the tree says of its contents is good for; signed anew when half is over',
  },
  rootLifetime: {
    kind: 'lifetime',
    default: '730d',
    group: 'Trust',
    help: 'how long a root made here is good for: after that nothing new is believed until the next root',
  },
  signer: {
    kind: 'signer',
    default: 'file',
    group: 'Trust',
    help: 'who holds the signing keys: files in the data folder, a command that is run for each signature, or a flotilla signer at a socket',
  },
  signerTimeout: {
    kind: 'duration',
    default: '30s',
    group: 'Trust',
    help: 'how long one signature by a command or at a socket may take',
  },
} as const
