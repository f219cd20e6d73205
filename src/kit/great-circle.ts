// Distances on the earth, as far as a sphere has them right: within half a percent.

/** Degrees: north and east are positive. */
export type Position = { readonly latitude: number; readonly longitude: number }

/** The mean radius of the earth (IUGG). */
const earthRadiusKm = 6371.0088

/** Along the great circle, by the haversine formula, which is exact for near points as well. */
export function distanceKm(a: Position, b: Position): number {
  const radians = Math.PI / 180
  const byLatitude = Math.sin(((b.latitude - a.latitude) * radians) / 2)
  const byLongitude = Math.sin(((b.longitude - a.longitude) * radians) / 2)
  const square =
    byLatitude * byLatitude +
    Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * byLongitude * byLongitude
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(square)))
}
