/** Pages of a wall whose tiles change together: page n shows the n-th camera of each tile. Pure. */

export const TILES = 16;
export const MOST_CAMERAS = 64;

/** Puts cameras on pages in their order: the first ones on the first page, tile by tile. */
export function fillPages(cameras: readonly string[], size: number): string[][] {
  const places: string[][] = Array.from({ length: TILES }, () => []);
  cameras.slice(0, MOST_CAMERAS).forEach((camera, n) => places[n % size]?.push(camera));
  return places;
}

export function pageCount(places: readonly (readonly string[])[], size: number): number {
  return Math.max(0, ...places.slice(0, size).map((place) => place.length));
}
