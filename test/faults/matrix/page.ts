// docs/fault-matrix.md, made of two runs: of this machine's clients, and of Debian's newest behind them.

import type { Told } from './tables.ts'

const introduction = `Real clients pull a small image (two layers that travel, one crumb that does not) through a real Flotilla, while hosts fail in every way
that was seen in the field. In each cell: whether the pull succeeded, and which machine its layers came from, by what the machines
themselves logged. *host* is the good one, *bad* the one with the fault, *ORIGIN* the front door or the origin: a success, but none of the
redirect. Two hosts, the bad one nearer to the client than the good one. Pulls of more than 5 s show their time; a pull that did not
end is killed and printed as *hang*.`

const remarks: Partial<Record<Told['letter'], string>> = {
  B: 'Clients that the measured table calls fragile (all but docker here) are sent to gold hosts only, so they never meet the bad one.',
  C: `What fails here fails with every redirector: a client that was sent to a host and is failed by it comes back by itself or not at all.
Goal: every docker and podman pull succeeds from a host, but for what cannot be survived: wrong or missing bytes with a clean end, silence,
and for podman before version 5 also a refusal (4xx, 5xx), a loop, a bad certificate and a transfer that ends early. Two cells are not what
they seem: docker does not check certificates of registries on the loopback, and a pull that hung here survives in the field after
minutes where the host is really gone (docker 3 to 5 minutes, podman likewise).`,
  D: `The host answers every small closed range and every HEAD as it should, and everybody else with the fault; where it fails whoever dials, the
network between does it to clients only. Clients of one network after another come by: by script as docker, which asks again by itself, or as
skopeo, which never does and whose user repeats the pull; and docker itself. Goal: at most three networks have a victim, and no pull is lost
for good. *open*: the mirror role read a layer there as a client does, by name and shape of the request, and saw the fault. *draining*: three
networks had clients that asked again within one pull. docker checks no certificates on the loopback.

**Beyond reach** is a host that only some networks cannot reach at all, met by clients that never ask again within their pull. From our
address it is sound, whatever name or shape a request has, and all that is seen of its clients is a second pull of the same network, minutes
after the first. That is also what a second machine behind one address leaves, and a user who pressed Ctrl-C and pulled again: forty networks
of such users must not drain a host, and false-alarm.test.ts holds that. The repeated pulls succeed, since a second ask goes to the next host.

Twelve such hosts lie to scripted clients at a time and three to docker, and the mirror role reads up to sixteen as a client would: that
bound is part of the result. With 54 liars at once and four reads, 8 of the 54 rows had four or five victims.`,
  E: `Everything comes through the front door, which reads from the hosts and goes on with the next when one breaks. Layers of up to 8 MiB, as
both are here, are sent when they are right, so wrong bytes are replaced unseen. Of larger ones the last piece is held back: the client
sees a cut, and one that cannot begin again (skopeo, containerd 1) fails. No row shows that, since no layer here is so large; while the
last piece was all that was held back, those two failed in the row of wrong bytes.`,
}

const newestHeading = '\n## The newest clients'

/** What the run of the newest clients has written there. */
function newestOf(page: string): string {
  const at = page.indexOf(newestHeading)
  return at < 0 ? '' : page.slice(at)
}

/** The page with this run of the newest clients instead of the one before. */
export function withNewest(
  page: string,
  told: readonly Told[],
  run: { readonly versions: string; readonly date: Date },
): string {
  const before = page.slice(0, page.length - newestOf(page).length)
  const made = `Made by \`npm run clients\` on ${run.date.toISOString().slice(0, 10)}, with Debian's newest packages: ${run.versions}. *docker* has the containerd store.`
  const tables = told.map(({ letter, title, text, missed }) => {
    const verdict =
      letter === 'C' ? [] : [missed.length === 0 ? 'The goal is met.' : `The goal is missed by: ${missed.join('; ')}.`]
    return [`### ${letter}. ${title}`, text, ...verdict].join('\n\n')
  })
  return `${before}${newestHeading}\n\n${[made, ...tables].join('\n\n')}\n`
}

/** `date`: of the run. `before`: the page as it was, of which the newest clients' part stays. */
export function writePage(
  told: readonly Told[],
  run: { readonly versions: string; readonly date: Date; readonly before: string },
): string {
  const tables = told.map(({ letter, title, text, missed }) => {
    const remark = remarks[letter]
    const met =
      letter !== 'C' && letter !== 'D' ? 'The goal is met.' : 'The goal is met, but for the exceptions named above.'
    const verdict = missed.length === 0 ? met : `The goal is missed by: ${missed.join('; ')}.`
    return `## ${letter}. ${title}\n\n${remark === undefined ? '' : `${remark}\n\n`}${text}\n\n${verdict}\n`
  })
  const head = `# The fault matrix\n\n<!-- made by \`npm run matrix\`; not to be edited -->\n\n${introduction}\n`
  const made = `Made by \`npm run matrix\` on ${run.date.toISOString().slice(0, 10)} with ${run.versions}. A part of it runs with \`npm test\` (test/faults/matrix.test.ts).\n`
  return `${[head, made, ...tables].join('\n')}${newestOf(run.before)}`
}
