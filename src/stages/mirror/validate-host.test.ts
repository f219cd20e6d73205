import { describe, expect, test } from 'bun:test'
import { RegistryError } from '#oci/errors.ts'
import { type HostDeclaration, type HostPolicy, validateHost } from './validate-host.ts'

const policy: HostPolicy = {
  allowPrivate: false,
  isOperator: false,
  channels: ['stable', 'testing'],
  ownNames: ['registry.example.org'],
}

const declared: HostDeclaration = {
  name: 'mirror.example.net',
  country: 'cz',
  bandwidthMbps: 1000,
  grade: 'probation',
  isPrivate: false,
  asn: 2852,
  isAsnClients: true,
  peerAsns: [],
  netblocks: ['147.229.0.0/16', '2001:67c:1220::/46'],
  allowedCountries: [],
  categories: [{ category: 'stable', urls: ['https://mirror.example.net/flotilla/'] }],
  ticket: 'query',
  contact: 'Mirror team <mirror@example.net>',
}

const urls = (...all: string[]) => ({ categories: [{ category: 'stable', urls: all }] })

test('what passes comes back in canonical form', () => {
  const valid = validateHost(
    {
      ...declared,
      latitude: 49.195_061,
      longitude: 16.606_837,
      netblocks: [' 147.229.0.0/16 ', '147.229.0.0/16', '2001:67C:1220:0::/46'],
    },
    policy,
  )
  expect(valid).toEqual({
    ...declared,
    country: 'CZ',
    latitude: 49.1951,
    longitude: 16.6068,
    categories: [{ category: 'stable', urls: ['https://mirror.example.net/flotilla'] }],
  })
})

describe('refused', () => {
  test.each<[Partial<HostDeclaration>, RegExp]>([
    [{ name: 'Mirror' }, /no host name/],
    [{ name: '../etc' }, /no host name/],
    [{ name: '' }, /no host name/],
    [{ country: 'CZE' }, /no ISO 3166-1/],
    [{ country: 'UK' }, /GB/],
    [{ latitude: 50.08 }, /one says nothing without the other/],
    [{ longitude: 14.42 }, /give both or none/],
    [{ latitude: 90.1, longitude: 0 }, /latitude: 90\.1 is not from -90 to 90/],
    [{ latitude: 0, longitude: -181 }, /longitude: -181/],
    [{ latitude: Number.NaN, longitude: 0 }, /latitude: NaN/],
    [{ allowedCountries: ['1X'] }, /allowedCountries/],
    [{ bandwidthMbps: 0 }, /bandwidthMbps/],
    [{ bandwidthMbps: Number.NaN }, /bandwidthMbps/],
    [{ bandwidthMbps: 1e9 }, /bandwidthMbps/],
    [{ asn: 0 }, /no AS number/],
    [{ asn: 2 ** 32 }, /no AS number/],
    [{ grade: 'gold' }, /operator/],
    [{ peerAsns: [1] }, /operator/],
    [{ contact: 'a\nBcc: everybody' }, /one line/],
    [{ netblocks: ['147.229.1.1/16'] }, /did you mean 147\.229\.0\.0\/16\?/],
    [{ netblocks: ['2001:67c:1220::1/46'] }, /did you mean 2001:67c:1220::\/46\?/],
    [{ netblocks: ['mirror.example.net'] }, /no netblock such as/],
    [{ netblocks: ['147.229.0.0/255.255.0.0'] }, /no netblock such as/],
    [{ netblocks: ['147.0.0.0/8'] }, /larger than \/16/],
    [{ netblocks: ['0.0.0.0/0'] }, /larger than \/16/],
    [{ netblocks: ['2001::/31'] }, /larger than \/32/],
    [{ netblocks: ['10.1.0.0/16'] }, /private range/],
    [{ netblocks: Array.from({ length: 10_000 }, (_, i) => `147.229.${i % 256}.0/24`) }, /more than 1000/],
    [
      { categories: [{ category: 'candidate', urls: ['https://a.example/'] }] },
      /no public channel \(stable, testing\)/,
    ],
    [{ categories: [...declared.categories, ...declared.categories] }, /twice/],
    [urls(), /no URL/],
    [urls('https://a', 'https://b', 'https://c', 'https://d', 'https://e'), /more than 4/],
    [urls('ftp://mirror.example.net/'), /only http and https/],
    [urls('rsync://mirror.example.net/'), /only http and https/],
    [urls('mirror.example.net/flotilla'), /no absolute URL/],
    [urls('https://user:secret@mirror.example.net/'), /credentials/],
    [urls('https://mirror.example.net/?a=b'), /must end with its path/],
    [urls('https://mirror.example.net/#a'), /must end with its path/],
    [urls('http://127.0.0.1:8080/'), /loopback address; FLOTILLA_ALLOW_PRIVATE_HOSTS=1 lets it/],
    [urls('http://192.168.1.1/'), /private/],
    [urls('http://169.254.169.254/'), /metadata address$/],
    [urls('https://registry.example.org/'), /under registry\.example\.org/],
    [urls('https://mirror1.registry.example.org/'), /hand it the registry's credentials/],
    [urls('https://registry.example.org:8443/flotilla'), /under registry\.example\.org/],
    [urls('https://Mirror1.Registry.Example.ORG./'), /under registry\.example\.org/],
  ])('%p', (wrong, reason) => {
    expect(() => validateHost({ ...declared, ...wrong }, policy)).toThrow(reason)
  })

  test('with all its reasons at once, as what the client did', () => {
    const refusal = (() => {
      try {
        return validateHost({ ...declared, name: '!', asn: 0, netblocks: ['x'] }, policy)
      } catch (error) {
        return error
      }
    })()
    expect(refusal).toBeInstanceOf(RegistryError)
    expect(refusal).toMatchObject({ code: 'REQUEST_INVALID', status: 400 })
    for (const part of ['name', 'asn', 'netblocks']) expect((refusal as RegistryError).detail).toContain(part)
  })
})

describe('the operator may', () => {
  const operator = { ...policy, isOperator: true }
  test.each<[Partial<HostDeclaration>]>([
    [{ netblocks: ['10.0.0.0/8', '147.0.0.0/8', '2001::/16'] }],
    [{ grade: 'gold', peerAsns: [1, 2] }],
  ])('%p', (about) => {
    expect(validateHost({ ...declared, ...about }, operator)).toMatchObject(about)
  })

  test('not have what is no netblock, nor a name under its own', () => {
    expect(() => validateHost({ ...declared, netblocks: ['10.0.0.1/8'] }, operator)).toThrow(/netblock/)
    expect(() => validateHost({ ...declared, ...urls('https://m.registry.example.org/') }, operator)).toThrow(/under/)
  })
})

test('a name that only ends alike is another name', () => {
  expect(validateHost({ ...declared, ...urls('https://otherregistry.example.org') }, policy)).toMatchObject({
    categories: [{ urls: ['https://otherregistry.example.org'] }],
  })
})

test('loopback addresses pass where the operator allowed private ones', () => {
  expect(
    validateHost({ ...declared, ...urls('http://127.0.0.2:8080') }, { ...policy, allowPrivate: true }),
  ).toMatchObject({
    categories: [{ urls: ['http://127.0.0.2:8080'] }],
  })
})
