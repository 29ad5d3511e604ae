/** Distances and bearings on WGS-84 degrees, good to a metre over a county. Pure. */
export interface Point {
  lon: number;
  lat: number;
}

const RADIUS_M = 6_371_008.8;
const rad = (degrees: number) => (degrees * Math.PI) / 180;

export function distanceM(a: Point, b: Point): number {
  const h =
    Math.sin(rad(b.lat - a.lat) / 2) ** 2 +
    Math.cos(rad(a.lat)) * Math.cos(rad(b.lat)) * Math.sin(rad(b.lon - a.lon) / 2) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.sqrt(h));
}

/** Degrees clockwise from north, from `a` towards `b`. */
export function bearingDeg(a: Point, b: Point): number {
  const east = Math.sin(rad(b.lon - a.lon)) * Math.cos(rad(b.lat));
  const north =
    Math.cos(rad(a.lat)) * Math.sin(rad(b.lat)) - Math.sin(rad(a.lat)) * Math.cos(rad(b.lat)) * Math.cos(rad(b.lon - a.lon));
  return ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
}

/** The point `metres` away in a direction. */
export function towards(from: Point, bearing_deg: number, metres: number): Point {
  const north_m = Math.cos(rad(bearing_deg)) * metres;
  const east_m = Math.sin(rad(bearing_deg)) * metres;
  return {
    lon: from.lon + (east_m / (RADIUS_M * Math.cos(rad(from.lat)))) * (180 / Math.PI),
    lat: from.lat + (north_m / RADIUS_M) * (180 / Math.PI),
  };
}

/** The ground a camera sees, as a closed ring of `[lon, lat]`. */
export function cone(at: Point, bearing_deg: number, fov_deg: number, range_m: number): [number, number][] {
  const ring: [number, number][] = [[at.lon, at.lat]];
  const pieces = Math.max(2, Math.ceil(fov_deg / 10));
  for (let n = 0; n <= pieces; n++) {
    const end = towards(at, bearing_deg - fov_deg / 2 + (fov_deg * n) / pieces, range_m);
    ring.push([end.lon, end.lat]);
  }
  ring.push([at.lon, at.lat]);
  return ring;
}
