/** What is recorded of one camera and stream, as far as it was asked: segments, their groups, and the gaps. Pure. */

/** `[at_ms, duration_ms, bytes, flags]`; flags: 1 damaged, 4 gap before. */
export type Group = readonly [at_ms: number, duration_ms: number, bytes: number, flags: number];

export interface Segment {
  start_ms: number;
  end_ms: number;
  state: 'open' | 'ok' | 'damaged';
  codec_no: number;
  clock_offset_ms: number | null;
  groups: readonly Group[];
}

export interface Gap {
  from_ms: number;
  /** Null while it lasts. */
  to_ms: number | null;
  reason: string;
  words: string;
}

export interface Codec {
  no: number;
  mime: string;
  width: number;
  height: number;
}

export interface Listing {
  from_ms: number;
  to_ms: number;
  segments: readonly Segment[];
  gaps: readonly Gap[];
  codecs: readonly Codec[];
  /** The nearest recordings before and behind what was asked for. */
  previous_ms: number | null;
  next_ms: number | null;
}

export interface GroupRef {
  segment: Segment;
  n: number;
}

/** Holes shorter than this are the clock's, not the recording's. */
export const JOIN_MS = 600;
/** What is asked for at once. */
export const WINDOW_MS = 30 * 60_000;

export const startOf = (ref: GroupRef): number => ref.segment.groups[ref.n]?.[0] ?? ref.segment.start_ms;
export const endOf = (ref: GroupRef): number => startOf(ref) + (ref.segment.groups[ref.n]?.[1] ?? 0);
export const keyOf = (ref: GroupRef): string => `${ref.segment.start_ms}:${ref.n}`;

export class RecordIndex {
  segments: Segment[] = [];
  gaps: Gap[] = [];
  codecs = new Map<number, Codec>();
  #asked: [number, number][] = [];
  #broken = new Set<string>();
  #edges: { from_ms: number; to_ms: number; previous_ms: number | null; next_ms: number | null }[] = [];

  add(listing: Listing): void {
    for (const codec of listing.codecs) this.codecs.set(codec.no, codec);
    const told = new Set(listing.segments.map((one) => one.start_ms));
    const kept = this.segments.filter(
      (one) => !told.has(one.start_ms) && (one.end_ms <= listing.from_ms || one.start_ms >= listing.to_ms),
    );
    this.segments = [...kept, ...listing.segments].sort((a, b) => a.start_ms - b.start_ms);
    // One that begins elsewhere and reaches in here is told with either stretch.
    const gaps = new Set(listing.gaps.map((one) => one.from_ms));
    const keptGaps = this.gaps.filter((one) => !gaps.has(one.from_ms) && (one.from_ms < listing.from_ms || one.from_ms >= listing.to_ms));
    this.gaps = [...keptGaps, ...listing.gaps].sort((a, b) => a.from_ms - b.from_ms);
    this.#asked = merged([...this.#asked, [listing.from_ms, listing.to_ms]]);
    this.#edges.push({ ...listing });
    if (this.#edges.length > 64) this.#edges.shift();
  }

  /** Says a stretch is not known any more: what is being recorded has grown. */
  forget(from_ms: number): void {
    this.#asked = this.#asked.flatMap(([from, to]) => (from >= from_ms ? [] : [[from, Math.min(to, from_ms)] as [number, number]]));
  }

  isAsked(at_ms: number): boolean {
    return this.#asked.some(([from, to]) => at_ms >= from && at_ms < to);
  }

  /** A group that cannot be read is left out from now on. */
  leaveOut(ref: GroupRef): void {
    this.#broken.add(keyOf(ref));
  }
  isLeftOut(ref: GroupRef): boolean {
    return this.#broken.has(keyOf(ref));
  }

  /** The group that holds a moment; with a hole of the clock, the one behind it. */
  at(at_ms: number): GroupRef | null {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle]?.start_ms ?? Infinity) <= at_ms) low = middle + 1;
      else high = middle;
    }
    for (const segment of [this.segments[low - 1], this.segments[low]]) {
      if (!segment) continue;
      for (let n = 0; n < segment.groups.length; n++) {
        const ref = { segment, n };
        if (this.isLeftOut(ref)) continue;
        if (at_ms >= startOf(ref) && at_ms < endOf(ref)) return ref;
        if (at_ms < startOf(ref) && startOf(ref) - at_ms <= JOIN_MS) return ref;
      }
    }
    return null;
  }

  next(ref: GroupRef): GroupRef | null {
    return this.#walk(ref, 1);
  }
  previous(ref: GroupRef): GroupRef | null {
    return this.#walk(ref, -1);
  }
  #walk(ref: GroupRef, by: 1 | -1): GroupRef | null {
    let at = this.segments.findIndex((one) => one.start_ms === ref.segment.start_ms);
    let n = ref.n + by;
    while (at >= 0 && at < this.segments.length) {
      const segment = this.segments[at];
      if (!segment) return null;
      for (; n >= 0 && n < segment.groups.length; n += by) {
        if (!this.isLeftOut({ segment, n })) return { segment, n };
      }
      at += by;
      n = by > 0 ? 0 : (this.segments[at]?.groups.length ?? 0) - 1;
    }
    return null;
  }

  /** The first recorded moment at or behind `at_ms` that is known; null when none is. */
  after(at_ms: number): number | null {
    let found: number | null = null;
    for (const segment of this.segments) {
      for (let n = 0; n < segment.groups.length && found === null; n++) {
        const ref = { segment, n };
        if (!this.isLeftOut(ref) && endOf(ref) > at_ms) found = Math.max(startOf(ref), at_ms);
      }
      if (found !== null) break;
    }
    for (const edge of this.#edges) {
      if (edge.next_ms !== null && edge.next_ms >= at_ms && edge.to_ms >= at_ms && (found === null || edge.next_ms < found)) found = edge.next_ms;
    }
    return found;
  }
  /** The last recorded moment before `at_ms` that is known. */
  before(at_ms: number): number | null {
    let found: number | null = null;
    for (const segment of this.segments) {
      for (let n = 0; n < segment.groups.length; n++) {
        const ref = { segment, n };
        if (!this.isLeftOut(ref) && startOf(ref) < at_ms) found = Math.min(endOf(ref), at_ms) - 1;
      }
    }
    for (const edge of this.#edges) {
      if (edge.previous_ms !== null && edge.previous_ms < at_ms && edge.from_ms <= at_ms && (found === null || edge.previous_ms > found)) found = edge.previous_ms;
    }
    return found;
  }

  /** Why nothing is there at a moment, as far as it is known. */
  gap(at_ms: number): Gap | null {
    return this.gaps.find((one) => at_ms >= one.from_ms && at_ms < (one.to_ms ?? Infinity)) ?? null;
  }

  /** How far the camera's clock is from ours at a moment; null when it was not measured. */
  clockOffset(at_ms: number): number | null {
    return this.at(at_ms)?.segment.clock_offset_ms ?? null;
  }
}

function merged(stretches: [number, number][]): [number, number][] {
  const sorted = [...stretches].sort((a, b) => a[0] - b[0]);
  const found: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = found.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

/**
 * Where a moment lies in the media time of a `<video>` (seconds): `pace` wall seconds in a media second, `direction` -1
 * when time runs backwards.
 */
export interface TimeMap {
  origin_s: number;
  base_ms: number;
  pace: number;
  direction: 1 | -1;
}

export const toMedia = (map: TimeMap, wall_ms: number): number =>
  map.origin_s + (map.direction * (wall_ms - map.base_ms)) / 1000 / map.pace;
export const toWall = (map: TimeMap, media_s: number): number =>
  map.base_ms + map.direction * (media_s - map.origin_s) * 1000 * map.pace;

/** What a tile does about its distance from the clock: nothing, another rate, or a jump. Pure. */
export function correct(error_ms: number, rate: number, isCorrecting: boolean): { rate: number; isCorrecting: boolean; jump: boolean } {
  const away = Math.abs(error_ms);
  if (away >= 1_000) return { rate, isCorrecting: false, jump: true };
  if (away < (isCorrecting ? 30 : 60)) return { rate, isCorrecting: false, jump: false };
  return { rate: rate * (error_ms > 0 ? 0.95 : 1.05), isCorrecting: true, jump: false };
}
