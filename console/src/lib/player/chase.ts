/** How the player keeps to the live edge. Pure: positions in seconds of the stream, time as an argument. */

/** One buffered stretch, `[from, to]` in seconds. */
export type Stretch = readonly [number, number];

export interface ChaseStep {
  rate: number;
  /** Where to jump, or null to go on. */
  seek_s: number | null;
  /** Stretch that has been seen and may be dropped, or null. */
  trim: Stretch | null;
}

export const TARGET_S = 0.25;
const MARGIN_S = 0.1;
const KEPT_S = 10;
const LONGEST_S = 20;

/** The speed for a distance behind the edge; `null` means too far: jump. */
function rateFor(lag_s: number, target_s: number): number | null {
  if (lag_s < 0.1) return 0.95;
  if (lag_s <= target_s + 0.2) return 1;
  if (lag_s <= target_s + 1) return 1.06;
  if (lag_s <= target_s + 3) return 1.15;
  return null;
}

/** Decides the next move; `rate` is the speed now, kept while the lag is within a margin of where it changed. */
export function chase(position_s: number, buffered: readonly Stretch[], rate: number, target_s: number = TARGET_S): ChaseStep {
  const last = buffered.at(-1);
  const first = buffered[0];
  if (!last || !first) return { rate: 1, seek_s: null, trim: null };

  const isInside = buffered.some(([from, to]) => position_s >= from - 0.01 && position_s <= to + 0.01);
  const later = buffered.find(([from]) => from > position_s);
  if (!isInside && later) {
    // A hole: go on behind it, or to the edge when that is further.
    const seek_s = later === last ? Math.max(later[0] + 0.05, last[1] - target_s) : later[0] + 0.05;
    return { rate: 1, seek_s: Math.min(seek_s, last[1]), trim: null };
  }

  const lag_s = last[1] - position_s;
  const wanted = rateFor(lag_s, target_s);
  const trim: Stretch | null = position_s - first[0] > LONGEST_S ? [first[0], position_s - KEPT_S] : null;
  if (wanted === null) return { rate: 1, seek_s: last[1] - target_s, trim };
  if (wanted !== rate) {
    const isClear = rateFor(lag_s - MARGIN_S, target_s) === wanted && rateFor(lag_s + MARGIN_S, target_s) === wanted;
    // Slowing down saves the picture from stopping and never waits for the margin.
    if (!isClear && wanted > rate && rate !== 1) return { rate, seek_s: null, trim };
    if (!isClear && wanted < rate && lag_s > target_s + MARGIN_S) return { rate, seek_s: null, trim };
  }
  return { rate: wanted, seek_s: null, trim };
}

export type StallStep = 'go_on' | 'seek' | 'rebuild';

const STALL_MS = 2_000;
const WINDOW_MS = 30_000;
const MOST_STALLS = 3;

/** Notices a picture that stands still while data arrives. */
export class StallWatch {
  #position_s = Number.NaN;
  #moved_ms = 0;
  #stalls: number[] = [];

  /** Call regularly; `hasNewData` says whether data arrived since the last call. */
  watch(position_s: number, hasNewData: boolean, now_ms: number): StallStep {
    if (position_s !== this.#position_s || !hasNewData) {
      if (position_s !== this.#position_s) this.#position_s = position_s;
      this.#moved_ms = now_ms;
      return 'go_on';
    }
    if (now_ms - this.#moved_ms < STALL_MS) return 'go_on';
    this.#moved_ms = now_ms;
    this.#stalls = [...this.#stalls.filter((at) => now_ms - at < WINDOW_MS), now_ms];
    if (this.#stalls.length < MOST_STALLS) return 'seek';
    this.#stalls = [];
    return 'rebuild';
  }

  reset(): void {
    this.#position_s = Number.NaN;
    this.#stalls = [];
  }
}

/** Age after which a picture is called stale: a frozen one must never look live. */
export const STALE_MS = 2_000;

/**
 * The wall time of the frame on screen. The status named the time `wall_ms` of the frame at `media_time_s`; others lie
 * as far from it on the clock as on the stream, also those that came since. A stopped picture stops here too.
 */
export function shownWall(wall_ms: number, media_time_s: number, position_s: number, edge_s: number): number {
  return wall_ms + (Math.min(position_s, edge_s) - media_time_s) * 1000;
}
