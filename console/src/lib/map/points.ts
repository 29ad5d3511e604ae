/** The cameras of a town as points of the map: read in columns, kept by id, patched by what the feed says. Pure. */
import type { Feature, FeatureCollection, Point } from 'geojson';
import type { GeoJSONSourceDiff } from 'maplibre-gl';
import type { Camera } from '$lib/api/types';
import { cone } from '$lib/geo';

/** `GET /camera-points`: columns of equal length; degrees (WGS-84), metres, 1 for yes. */
export interface PointColumns {
  id: string[];
  lon: number[];
  lat: number[];
  bearing_deg: (number | null)[];
  fov_deg: (number | null)[];
  range_m: (number | null)[];
  online: number[];
  in_service: number[];
  name: string[];
  name_en: string[];
}

/** How a point is, worse upwards: a cluster shows the worst of its points. */
export const WELL = 0;
export const DISCOVERED = 1;
export const OFFLINE = 2;

export interface CameraPoint {
  id: string;
  lon: number;
  lat: number;
  bearing_deg: number | null;
  fov_deg: number | null;
  range_m: number | null;
  isOnline: boolean;
  isInService: boolean;
  name: string;
  name_en: string;
}

/** Opening angles a wedge is drawn for, degrees; a camera gets the nearest. */
export const WEDGES_DEG = [30, 60, 90, 120, 180] as const;

export const rankOf = (point: CameraPoint): number => (!point.isInService ? DISCOVERED : point.isOnline ? WELL : OFFLINE);

export const wedgeOf = (fov_deg: number): number =>
  WEDGES_DEG.reduce((best, one) => (Math.abs(one - fov_deg) < Math.abs(best - fov_deg) ? one : best), WEDGES_DEG[0] as number);

/** What the worker needs of a point: not its name, which stays here. */
export function propertiesOf(point: CameraPoint): Record<string, string | number> {
  const isAimed = point.bearing_deg !== null && Boolean(point.fov_deg);
  const isReaching = isAimed && Boolean(point.range_m);
  return {
    id: point.id,
    rank: rankOf(point),
    wedge: isAimed ? wedgeOf(point.fov_deg ?? 0) : 0,
    bearing: isAimed ? (point.bearing_deg ?? 0) : 0,
    reach: isReaching ? 1 : 0,
  };
}

const featureOf = (point: CameraPoint): Feature<Point> => ({
  type: 'Feature',
  properties: propertiesOf(point),
  geometry: { type: 'Point', coordinates: [point.lon, point.lat] },
});

export class PointBook {
  #points = new Map<string, CameraPoint>();

  get size(): number {
    return this.#points.size;
  }

  get(id: string): CameraPoint | undefined {
    return this.#points.get(id);
  }

  /** Takes the place of all that was known. */
  fill(columns: PointColumns): void {
    this.#points = new Map(
      columns.id.map((id, n) => [
        id,
        {
          id,
          lon: columns.lon[n] ?? 0,
          lat: columns.lat[n] ?? 0,
          bearing_deg: columns.bearing_deg[n] ?? null,
          fov_deg: columns.fov_deg[n] ?? null,
          range_m: columns.range_m[n] ?? null,
          isOnline: columns.online[n] === 1,
          isInService: columns.in_service[n] === 1,
          name: columns.name[n] ?? '',
          name_en: columns.name_en[n] ?? '',
        },
      ]),
    );
  }

  /** Takes changes in, oldest first, and says what the map must renew; null when it need not. */
  patch(changes: readonly Partial<Camera>[]): GeoJSONSourceDiff | null {
    const before = new Map<string, CameraPoint | undefined>();
    for (const change of changes) {
      if (!change.id) continue;
      const known = this.#points.get(change.id);
      if (!before.has(change.id)) before.set(change.id, known);
      const lon = change.lon === undefined ? (known?.lon ?? null) : change.lon;
      const lat = change.lat === undefined ? (known?.lat ?? null) : change.lat;
      if (lon === null || lat === null || change.stage === 'retired') {
        this.#points.delete(change.id);
        continue;
      }
      this.#points.set(change.id, {
        id: change.id,
        lon,
        lat,
        bearing_deg: change.bearing_deg === undefined ? (known?.bearing_deg ?? null) : change.bearing_deg,
        fov_deg: change.fov_deg === undefined ? (known?.fov_deg ?? null) : change.fov_deg,
        range_m: change.range_m === undefined ? (known?.range_m ?? null) : change.range_m,
        isOnline: change.state === undefined ? (known?.isOnline ?? false) : change.state === 'online',
        isInService: change.stage === undefined ? (known?.isInService ?? false) : change.stage === 'in_service',
        name: change.name ?? known?.name ?? '',
        name_en: change.name_en ?? known?.name_en ?? '',
      });
    }
    const diff = { add: [] as Feature[], remove: [] as string[], update: [] as NonNullable<GeoJSONSourceDiff['update']> };
    for (const [id, known] of before) {
      const point = this.#points.get(id);
      if (!point) {
        if (known) diff.remove.push(id);
      } else if (!known) {
        diff.add.push(featureOf(point));
      } else {
        const old = propertiesOf(known);
        const changed = Object.entries(propertiesOf(point)).filter(([key, value]) => old[key] !== value);
        const hasMoved = known.lon !== point.lon || known.lat !== point.lat;
        if (changed.length === 0 && !hasMoved) continue;
        diff.update.push({
          id,
          ...(hasMoved ? { newGeometry: featureOf(point).geometry } : {}),
          addOrUpdateProperties: changed.map(([key, value]) => ({ key, value })),
        });
      }
    }
    return diff.add.length + diff.remove.length + diff.update.length > 0 ? diff : null;
  }

  /** The ground that the cameras within these bounds see, as far as it is known; at most `most` of them. */
  sectors(west: number, south: number, east: number, north: number, most: number): FeatureCollection {
    const features: Feature[] = [];
    for (const point of this.#points.values()) {
      const { lon, lat, bearing_deg, fov_deg, range_m } = point;
      if (lon < west || lon > east || lat < south || lat > north) continue;
      if (bearing_deg === null || !fov_deg || !range_m) continue;
      features.push({
        type: 'Feature',
        properties: { rank: rankOf(point) },
        geometry: { type: 'Polygon', coordinates: [cone(point, bearing_deg, fov_deg, range_m)] },
      });
      if (features.length === most) break;
    }
    return { type: 'FeatureCollection', features };
  }

  /** All of them, for a source that is made anew. */
  collection(): FeatureCollection {
    return { type: 'FeatureCollection', features: [...this.#points.values()].map(featureOf) };
  }
}
