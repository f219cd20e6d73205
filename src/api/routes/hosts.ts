// Sites and hosts: registering, changing, looking, checking.

import { type ApiApp, type ApiStores, need, needForHost } from '#api/api-context.ts'
import {
  addHost,
  addSite,
  findSite,
  type HostFacts,
  listHosts,
  listSites,
  lockHost,
  updateHost,
} from '#catalogue/hosts.ts'
import { RegistryError } from '#oci/errors.ts'
import { requestCrawl } from '#stages/mirror/request-crawl.ts'
import { validateHost } from '#stages/mirror/validate-host.ts'
import { routes } from './host-schemas.ts'
import {
  emitChange,
  etagOfHost,
  requireHost,
  requireMatch,
  toDeclaration,
  toFacts,
  toHost,
  toSite,
} from './host-views.ts'
import { requireJob } from './jobs.ts'

export function hostRoutes(app: ApiApp, stores: ApiStores): void {
  const { catalogue, now } = stores

  app.openapi(routes.listSites, async (context) => {
    need(context, 'read')
    return context.json({ sites: (await listSites(catalogue)).map(toSite) }, 200)
  })

  app.openapi(routes.addSite, async (context) => {
    need(context, 'hosts')
    const { name, organisationUrl, isPrivate, contact } = context.req.valid('json')
    const site = await catalogue
      .transaction()
      .execute((tx) => addSite(tx, { name, organisationUrl, isPrivate, contact }, now()))
    if (!site) throw new RegistryError('CONFLICT', `there is a site ${name} already`)
    return context.json(toSite(site), 201)
  })

  app.openapi(routes.list, async (context) => {
    need(context, 'read')
    const hosts = await Promise.all((await listHosts(catalogue)).map((host) => toHost(host, stores)))
    return context.json({ hosts } as never, 200)
  })

  app.openapi(routes.add, async (context) => {
    const identity = need(context, 'hosts')
    const asked = context.req.valid('json')
    const { site: siteName = asked.name, urls = [], ...declared } = asked
    const categories =
      urls.length > 0 ? [...declared.categories, { category: stores.publicChannel, urls }] : declared.categories
    const facts = toFacts(validateHost(toDeclaration({ ...declared, categories }), stores.hostPolicy()), {
      isAdminActive: true,
      isUserActive: true,
      disableReason: undefined,
    })
    const nowMs = now()
    const id = await catalogue.transaction().execute(async (tx) => {
      const site =
        (await findSite(tx, siteName)) ??
        (await addSite(tx, { name: siteName, organisationUrl: undefined, isPrivate: false, contact: undefined }, nowMs))
      const added = await addHost(tx, site!.id, facts, nowMs)
      if (added === undefined)
        throw new RegistryError('CONFLICT', `there is a host ${asked.name} already, or another one has its address`)
      await emitChange(tx, facts.name, identity.name, nowMs)
      await requestCrawl(tx, { hostId: added, channel: stores.publicChannel }, nowMs)
      return added
    })
    stores.nudge()
    const host = await requireHost(String(id), catalogue)
    return context.json((await toHost(host, stores)) as never, 201, { etag: etagOfHost(host) })
  })

  app.openapi(routes.show, async (context) => {
    const host = await requireHost(context.req.valid('param').id, catalogue)
    // Who checks in for it reads what was found of it.
    needForHost(context, host.name, 'read', 'check-in')
    return context.json((await toHost(host, stores)) as never, 200, { etag: etagOfHost(host) })
  })

  app.openapi(routes.change, async (context) => {
    const identity = need(context, 'hosts')
    const { id } = context.req.valid('param')
    const { urls, isAdminActive, isUserActive, disableReason, ...change } = context.req.valid('json')
    const given = Object.fromEntries(
      Object.entries(change).filter(([, value]) => value !== undefined),
    ) as Partial<HostFacts>
    const nowMs = now()
    const hostId = await catalogue.transaction().execute(async (tx) => {
      // Read where it is written: of two changes at once neither takes back what the other did.
      await lockHost(tx, (await requireHost(id, tx)).id)
      const host = await requireHost(id, tx)
      requireMatch(host, context.req.valid('header')['if-match'])
      const categories = urls
        ? [
            ...host.categories.filter((one) => one.category !== stores.publicChannel),
            { category: stores.publicChannel, urls },
          ]
        : (given.categories ?? host.categories)
      const declared = validateHost(toDeclaration({ ...host, ...given, categories }), stores.hostPolicy())
      const isOn = (isAdminActive ?? host.isAdminActive) && (isUserActive ?? host.isUserActive)
      const facts = toFacts(declared, {
        isAdminActive: isAdminActive ?? host.isAdminActive,
        isUserActive: isUserActive ?? host.isUserActive,
        disableReason: isOn ? undefined : (disableReason ?? host.disableReason),
      })
      if (!(await updateHost(tx, host.id, facts, nowMs)))
        throw new RegistryError('CONFLICT', 'another host has one of these addresses')
      await emitChange(tx, host.name, identity.name, nowMs)
      if (isOn) await requestCrawl(tx, { hostId: host.id, channel: stores.publicChannel }, nowMs)
      return host.id
    })
    await stores.hostsChanged()
    stores.nudge()
    const host = await requireHost(String(hostId), catalogue)
    return context.json((await toHost(host, stores)) as never, 200, { etag: etagOfHost(host) })
  })

  app.openapi(routes.check, async (context) => {
    need(context, 'hosts')
    const host = await requireHost(context.req.valid('param').id, catalogue)
    const nowMs = now()
    const id = await catalogue
      .transaction()
      .execute((tx) => requestCrawl(tx, { hostId: host.id, channel: stores.publicChannel }, nowMs))
    stores.nudge()
    return context.json(await requireJob(catalogue, id), 202)
  })
}
