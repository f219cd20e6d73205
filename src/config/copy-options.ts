// A front door or an origin over a copied tree: rows of the table of options.

export const copyOptions = {
  copy: {
    kind: 'path',
    group: 'Copy',
    help: 'folder that `flotilla replicate` keeps: `serve frontdoor` is a whole registry over it, `serve origin` passes it on; without a catalogue and keys',
  },
  root: {
    kind: 'text',
    group: 'Copy',
    help: 'root that the copied tree, or that of the origin for a front door elsewhere, must begin with: a file of it, or sha256:<hex> of metadata/1.root.json; default: the first that is seen is kept',
  },
  upstreamUrl: {
    kind: 'url',
    group: 'Copy',
    help: 'where clients are sent for a layer that the copy lacks: an origin or another host; default: origin-url, unless the origin role runs here',
  },
} as const
