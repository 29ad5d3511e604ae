/** The ground under the map: the GeoJSON of the jurisdiction, read once a session. */
import { api } from '$lib/api/client';
import type { FeatureCollection } from 'geojson';

class Town {
  ground = $state.raw<FeatureCollection | null>(null);
  error = $state.raw<unknown>(null);
  #reading: Promise<void> | null = null;

  read(): Promise<void> {
    if (this.#reading === null) this.error = null;
    this.#reading ??= api
      .get<FeatureCollection>('/map')
      .then((ground) => {
        this.ground = ground;
        this.error = null;
      })
      .catch((error: unknown) => {
        this.error = error;
        this.#reading = null;
      });
    return this.#reading;
  }
}

export const town = new Town();

let answer: boolean | null = null;

/** Whether this machine can draw the map; control-room virtual machines often cannot. */
export function hasWebGL(): boolean {
  if (answer === null) {
    const context = document.createElement('canvas').getContext('webgl2');
    answer = context !== null;
    context?.getExtension('WEBGL_lose_context')?.loseContext();
  }
  return answer;
}

/** A unit's fix older than this is drawn hollow. */
export const FIX_STALE_MS = 60_000;
/** And older than this crossed out. */
export const FIX_LOST_MS = 180_000;

export type MarkKind = 'incident' | 'unit' | 'panel';

export interface MapMark {
  id: string;
  kind: MarkKind;
  lon: number;
  lat: number;
  label: string;
  title: string;
  /** Priority of an incident, 1 to 5. */
  priority?: number;
  isSelected?: boolean;
  freshness?: 'fresh' | 'stale' | 'lost';
  tone?: 'ok' | 'soon' | 'act' | 'info' | 'off';
}

export interface MapCamera {
  id: string;
  lon: number;
  lat: number;
  bearing_deg: number | null;
  fov_deg: number | null;
  range_m: number | null;
  title: string;
  isOnline: boolean;
  isSelected: boolean;
}
