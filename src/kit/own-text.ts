/**
 * The same text in memory of its own. A slice keeps the whole text alive that it was cut from: of a request that is its head, thousands of
 * bytes for an address of ten. For what is kept longer than the request.
 */
export function ownText(text: string): string {
  return Buffer.from(text).toString()
}
