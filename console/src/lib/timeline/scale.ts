/** The axis of a timeline: which stretch is shown, how it is zoomed and moved, where its ticks are. Pure. */

export interface Shown {
  from_ms: number;
  to_ms: number;
}

export const SHORTEST_MS = 60_000;
const STEPS_MS: readonly number[] = [
  1_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000,
];

/** Zooms by a factor (below 1 nearer) so that the moment `at_ms` stays where it is, inside `bounds`. */
export function zoomed(shown: Shown, factor: number, at_ms: number, bounds: Shown): Shown {
  const most = bounds.to_ms - bounds.from_ms;
  const length = Math.min(Math.max((shown.to_ms - shown.from_ms) * factor, Math.min(SHORTEST_MS, most)), most);
  const share = (at_ms - shown.from_ms) / (shown.to_ms - shown.from_ms);
  return moved({ from_ms: at_ms - share * length, to_ms: at_ms + (1 - share) * length }, 0, bounds);
}

export function moved(shown: Shown, by_ms: number, bounds: Shown): Shown {
  const length = Math.min(shown.to_ms - shown.from_ms, bounds.to_ms - bounds.from_ms);
  const from_ms = Math.min(Math.max(shown.from_ms + by_ms, bounds.from_ms), bounds.to_ms - length);
  return { from_ms, to_ms: from_ms + length };
}

/** Local times for ticks: at most `most` of them, on round figures of the local day. */
export function ticks(shown: Shown, most: number): { at_ms: number; hasSeconds: boolean }[] {
  const length = shown.to_ms - shown.from_ms;
  const step = STEPS_MS.find((one) => length / one <= most) ?? 21_600_000;
  const zone_ms = new Date(shown.from_ms).getTimezoneOffset() * 60_000;
  const first = Math.ceil((shown.from_ms - zone_ms) / step) * step + zone_ms;
  const found = [];
  for (let at = first; at <= shown.to_ms; at += step) found.push({ at_ms: at, hasSeconds: step < 60_000 });
  return found;
}
