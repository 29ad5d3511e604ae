/** How a camera looks, set with the pointer on the map or with the arrow keys. Pure. */
import { bearingDeg, distanceM, towards, type Point } from '$lib/geo';

/** Degrees clockwise from north, opening angle in degrees, metres. */
export interface Aim {
  bearing_deg: number;
  fov_deg: number;
  range_m: number;
}

export const FIRST_AIM: Aim = { bearing_deg: 0, fov_deg: 60, range_m: 40 };
export const LEAST_FOV_DEG = 5;
export const MOST_FOV_DEG = 360;
export const LEAST_RANGE_M = 2;
export const MOST_RANGE_M = 5_000;
const STEP = 5;

const within = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));
const turn = (degrees: number) => ((Math.round(degrees) % 360) + 360) % 360;

/** Where the two handles stand: at the middle of the far edge, and at its end clockwise. */
export const tipOf = (at: Point, aim: Aim): Point => towards(at, aim.bearing_deg, aim.range_m);
export const edgeOf = (at: Point, aim: Aim): Point => towards(at, aim.bearing_deg + aim.fov_deg / 2, aim.range_m);

/** The far edge was dragged to a point: direction and reach follow. */
export function aimedAt(at: Point, aim: Aim, to: Point): Aim {
  return {
    ...aim,
    bearing_deg: turn(bearingDeg(at, to)),
    range_m: within(Math.round(distanceM(at, to)), LEAST_RANGE_M, MOST_RANGE_M),
  };
}

/** The end of the far edge was dragged to a point: the angle follows, to both sides. */
export function openedTo(at: Point, aim: Aim, to: Point): Aim {
  const off = (bearingDeg(at, to) - aim.bearing_deg + 360) % 360;
  return { ...aim, fov_deg: within(2 * Math.round(off), LEAST_FOV_DEG, MOST_FOV_DEG) };
}

/** A key on a handle; null when it does nothing. With `isFine` a fifth of a step. */
export function keyed(aim: Aim, handle: 'tip' | 'edge', key: string, isFine: boolean): Aim | null {
  const step = isFine ? 1 : STEP;
  const sign = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[key];
  if (sign === undefined) return null;
  if (handle === 'edge') return { ...aim, fov_deg: within(Math.round(aim.fov_deg) + sign * step, LEAST_FOV_DEG, MOST_FOV_DEG) };
  if (key === 'ArrowLeft' || key === 'ArrowRight') return { ...aim, bearing_deg: turn(aim.bearing_deg + sign * step) };
  return { ...aim, range_m: within(Math.round(aim.range_m) + sign * step, LEAST_RANGE_M, MOST_RANGE_M) };
}
