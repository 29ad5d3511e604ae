/**
 * What tiles give up when the page cannot show everything, and when they get it back. Pure; time is an argument.
 *
 * A tile steps down by one when two samples in a row were bad: main to sub stream, then, when half the frames are lost
 * or it lies behind, to key frames. Of many bad tiles
 * a quarter steps at a time, spared ones last, because what one gives up helps all. When nothing was bad for 20 s one
 * tile steps up; a step up that fails doubles the wait.
 */
import type { PlayerSample } from '$lib/player/live';

const BAD_SHARE = 0.2;
/** Key frames alone are much less than a picture that stutters: only when it hardly plays at all. */
const WORST_SHARE = 0.5;
const FEWEST = 10;
const BAD_TIMES = 2;
const SETTLE_MS = 4_000;
const CALM_MS = 20_000;
const LONGEST_CALM_MS = 160_000;
const UP_EVERY_MS = 5_000;

export function isBad(sample: PlayerSample, share: number = BAD_SHARE): boolean {
  const all = sample.shown + sample.dropped;
  return sample.isBehind || (all >= FEWEST && sample.dropped >= all * share);
}

interface State {
  level: number;
  bad: number;
  worst: number;
  settled_ms: number;
}

export class Relief {
  #tiles = new Map<number, State>();
  #last_bad_ms = 0;
  #last_up_ms = Number.NEGATIVE_INFINITY;
  #calm_ms = CALM_MS;

  level(tile: number): number {
    return this.#tiles.get(tile)?.level ?? 0;
  }

  note(tile: number, sample: PlayerSample, now_ms: number): void {
    const state = this.#state(tile);
    if (now_ms < state.settled_ms) return;
    state.bad = isBad(sample) ? state.bad + 1 : 0;
    state.worst = isBad(sample, WORST_SHARE) ? state.worst + 1 : 0;
    if (state.bad > 0) this.#last_bad_ms = now_ms;
  }

  /** The tile begins anew with everything; its first seconds are not judged. */
  begin(tile: number, now_ms: number): void {
    this.#tiles.set(tile, { level: 0, bad: 0, worst: 0, settled_ms: now_ms + SETTLE_MS });
  }

  /** Decides; `most` says how far a tile can step down, `spared` those that matter most. Returns whether one changed. */
  settle(most: (tile: number) => number, spared: ReadonlySet<number>, now_ms: number): boolean {
    const times = (tile: number, state: State) => (state.level + 1 < most(tile) ? state.bad : state.worst);
    const bad = [...this.#tiles].filter(([tile, state]) => times(tile, state) >= BAD_TIMES && state.level < most(tile));
    bad.sort(([a], [b]) => Number(spared.has(a)) - Number(spared.has(b)));
    for (const [, state] of bad.slice(0, Math.ceil(bad.length / 4))) {
      if (now_ms - this.#last_up_ms < this.#calm_ms) this.#calm_ms = Math.min(2 * this.#calm_ms, LONGEST_CALM_MS);
      state.level++;
      state.bad = state.worst = 0;
      state.settled_ms = now_ms + SETTLE_MS;
      this.#last_bad_ms = now_ms;
    }
    if (bad.length > 0) return true;
    if (now_ms - this.#last_bad_ms < this.#calm_ms || now_ms - this.#last_up_ms < UP_EVERY_MS) return false;
    const low = [...this.#tiles].filter(([, state]) => state.level > 0);
    const next = low.find(([tile]) => spared.has(tile)) ?? low[0];
    if (!next) {
      if (now_ms - this.#last_bad_ms > LONGEST_CALM_MS) this.#calm_ms = CALM_MS;
      return false;
    }
    next[1].level--;
    next[1].bad = next[1].worst = 0;
    next[1].settled_ms = now_ms + SETTLE_MS;
    this.#last_up_ms = now_ms;
    return true;
  }

  #state(tile: number): State {
    let state = this.#tiles.get(tile);
    if (!state) this.#tiles.set(tile, (state = { level: 0, bad: 0, worst: 0, settled_ms: 0 }));
    return state;
  }
}
