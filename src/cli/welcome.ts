// The screen after a start: what runs where, and what to type next.

type Installation = {
  readonly data: string
  readonly keys: string
  readonly publicChannel: string
  readonly settings: { readonly adminToken: string | undefined }
}

type Shown = {
  readonly addresses: Readonly<Record<string, string>>
  readonly demo: { readonly hosts: readonly { readonly name: string; readonly url: string }[] } | undefined
}

const purposes: Readonly<Record<string, string>> = {
  registry: 'builders push here',
  frontdoor: 'users pull here',
  api: 'control API and status page',
  origin: 'hosts copy from here',
}

export function printWelcome(config: Installation, { addresses, demo }: Shown): void {
  const lines = ['', 'Flotilla is up.', '']
  for (const [name, url] of Object.entries(addresses))
    lines.push(`  ${name.padEnd(10)} ${url.padEnd(26)} ${purposes[name] ?? ''}`)
  for (const { name, url } of demo?.hosts ?? [])
    lines.push(`  ${name.padEnd(10)} ${url.padEnd(26)} a demonstration host`)
  const strip = (url: string | undefined) => url?.replace(/^https?:\/\//, '') ?? '<host>'
  const registry = strip(addresses.registry)
  const frontdoor = strip(addresses.frontdoor)
  lines.push(
    '',
    `  data folder ${config.data}`,
    `  admin token ${config.settings.adminToken === undefined ? `${config.keys}/admin-token` : 'as given'}`,
    '',
  )
  if (demo && addresses.frontdoor)
    lines.push(
      'Pull the sample image; its large layer comes from a demonstration host:',
      `  docker pull ${frontdoor}/demo/hello`,
      '',
    )
  if (addresses.registry) {
    lines.push(
      'Push an image of yours, release it, and pull it:',
      `  docker login -u builder --password-stdin ${registry} < ${config.keys}/builder-token`,
      `  docker tag <image> ${registry}/my/app:1 && docker push ${registry}/my/app:1`,
      `  ./bin/flotilla promote my/app:1 --to ${config.publicChannel} && ./bin/flotilla publish --now`,
      `  docker pull ${frontdoor}/my/app:1`,
      '',
    )
  }
  if (addresses.api) lines.push(`See generations, repositories and hosts at ${addresses.api}/`, '')
  lines.push('Ctrl-C drains and stops; starting again finds all as it was.', '')
  console.log(lines.join('\n'))
}
