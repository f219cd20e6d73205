import { DigestMismatch, StorageFull, UploadBusy } from '#blobs/blob-store.ts'
import { RegistryError } from '#oci/errors.ts'

/** What a client may know of the store's errors, in the spec's words. */
export async function withStoreErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof DigestMismatch) throw new RegistryError('DIGEST_INVALID', error.message, { cause: error })
    if (error instanceof UploadBusy) {
      throw new RegistryError('BLOB_UPLOAD_INVALID', error.message, { cause: error, status: 409 })
    }
    if (error instanceof StorageFull) throw new RegistryError('STORAGE_FULL', error.message, { cause: error })
    throw error
  }
}
