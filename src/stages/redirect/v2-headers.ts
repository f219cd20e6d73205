// Headers that registry clients look for on every answer, and those that tell which state it was made from.
import type { Digest } from '#oci/digest.ts'
import type { PublicationIndex } from '#snapshots/publication-index.ts'

export const apiVersion = { 'docker-distribution-api-version': 'registry/2.0' } as const

export function listHeaders(publication: PublicationIndex) {
  return { ...apiVersion, 'flotilla-generation': publication.generationText }
}

export function contentHeaders(publication: PublicationIndex, digest: Digest, contentType: string) {
  return {
    'docker-distribution-api-version': 'registry/2.0',
    'flotilla-generation': publication.generationText,
    'docker-content-digest': digest,
    'content-type': contentType,
  }
}
