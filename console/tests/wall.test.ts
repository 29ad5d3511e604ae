import { describe, expect, it } from 'vitest';
import { ask, giveUp, layerOf, shown } from '../src/pages/wall/layers';
import { fillPages, pageCount } from '../src/pages/wall/pages';
import { isBad, Relief } from '../src/pages/wall/relief';

const gate = layerOf('gate', 'sub');
const yard = layerOf('yard', 'sub');
const pier = layerOf('pier', 'sub');

describe('the pictures of a tile', () => {
  it('keeps the one on screen until the next one shows', () => {
    const both = ask([gate], gate.key, yard);
    expect(both).toEqual([gate, yard]);
    expect(shown(both, yard.key)).toEqual([yard]);
  });

  it('keeps the picture on screen, not one that never came, when it steps on meanwhile', () => {
    expect(ask([gate, yard], gate.key, pier)).toEqual([gate, pier]);
  });

  it('does not let a picture of another camera stand in for one that has none', () => {
    expect(giveUp([gate, yard], gate.key, yard.key)).toEqual([yard]);
  });

  it('stays with the small picture when the large one of the same camera does not come', () => {
    const main = layerOf('gate', 'main');
    expect(giveUp([gate, main], gate.key, main.key)).toEqual([gate]);
  });

  it('leaves a picture alone that is on screen already', () => {
    expect(giveUp([gate], gate.key, gate.key)).toEqual([gate]);
    expect(giveUp([gate], '', yard.key)).toEqual([gate]);
  });
});

const good = { shown: 50, dropped: 1, isBehind: false };
const stuttering = { shown: 30, dropped: 20, isBehind: false };
const dropping = { shown: 20, dropped: 30, isBehind: false };

describe('a page that falls behind', () => {
  it('judges by dropped frames and by how far it lies behind', () => {
    expect(isBad(good)).toBe(false);
    expect(isBad(dropping)).toBe(true);
    expect(isBad({ shown: 2, dropped: 3, isBehind: false })).toBe(false);
    expect(isBad({ shown: 50, dropped: 0, isBehind: true })).toBe(true);
  });

  it('gives up the main stream for a stutter, but shows a stuttering picture rather than key frames', () => {
    const relief = new Relief();
    for (let now_ms = 0; now_ms < 40_000; now_ms += 2_000) {
      relief.note(0, stuttering, now_ms);
      relief.note(1, stuttering, now_ms);
      relief.settle((tile) => (tile === 0 ? 2 : 1), new Set(), now_ms);
    }
    expect([relief.level(0), relief.level(1)]).toEqual([1, 0]);
  });

  it('does not judge the first seconds of a tile that begins anew', () => {
    const relief = new Relief();
    relief.begin(0, 0);
    for (const now_ms of [1_000, 3_000]) relief.note(0, dropping, now_ms);
    expect(relief.settle(() => 2, new Set(), 3_000)).toBe(false);
    for (const now_ms of [5_000, 7_000]) relief.note(0, dropping, now_ms);
    expect(relief.settle(() => 2, new Set(), 7_000)).toBe(true);
  });

  it('steps down after two bad samples, a quarter of the tiles at a time, spared ones last', () => {
    const relief = new Relief();
    const step = (now_ms: number) => {
      for (let tile = 0; tile < 8; tile++) relief.note(tile, dropping, now_ms);
      return relief.settle(() => 1, new Set([0, 1]), now_ms);
    };
    expect(step(2_000)).toBe(false);
    expect(step(4_000)).toBe(true);
    const levels = () => Array.from({ length: 8 }, (_, tile) => relief.level(tile));
    expect(levels()).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
    for (let now_ms = 6_000; now_ms < 30_000; now_ms += 2_000) step(now_ms);
    expect(levels()).toEqual(Array(8).fill(1));
  });

  it('goes from the main stream to the sub stream to key frames, and comes back one by one', () => {
    const relief = new Relief();
    const run = (sample: typeof good, from_ms: number, to_ms: number) => {
      for (let now_ms = from_ms; now_ms < to_ms; now_ms += 2_000) {
        relief.note(0, sample, now_ms);
        relief.settle(() => 2, new Set(), now_ms);
      }
    };
    run(dropping, 0, 4_000);
    expect(relief.level(0)).toBe(1);
    run(dropping, 4_000, 12_000);
    expect(relief.level(0)).toBe(2);
    run(good, 12_000, 26_000);
    expect(relief.level(0)).toBe(2);
    run(good, 26_000, 32_000);
    expect(relief.level(0)).toBe(1);
    run(good, 32_000, 60_000);
    expect(relief.level(0)).toBe(0);
  });

  it('waits twice as long after a step up that failed', () => {
    const relief = new Relief();
    const run = (sample: typeof good, from_ms: number, to_ms: number) => {
      for (let now_ms = from_ms; now_ms < to_ms; now_ms += 2_000) {
        relief.note(0, sample, now_ms);
        relief.settle(() => 1, new Set(), now_ms);
      }
    };
    run(dropping, 0, 4_000);
    run(good, 4_000, 24_000);
    expect(relief.level(0)).toBe(0);
    run(dropping, 24_000, 34_000);
    expect(relief.level(0)).toBe(1);
    run(good, 34_000, 60_000);
    expect(relief.level(0)).toBe(1);
    run(good, 60_000, 76_000);
    expect(relief.level(0)).toBe(0);
  });
});

describe('pages of the whole wall', () => {
  it('fills page after page in the order given', () => {
    const places = fillPages(['a', 'b', 'c', 'd', 'e', 'f'], 4);
    expect(places.slice(0, 4)).toEqual([['a', 'e'], ['b', 'f'], ['c'], ['d']]);
    expect(pageCount(places, 4)).toBe(2);
    expect(pageCount([], 4)).toBe(0);
  });
});
