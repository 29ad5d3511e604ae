import { afterEach, describe, expect, it, vi } from 'vitest';
import { readFragments, timescaleOf } from '../src/lib/recorded/fragments';
import { correct, RecordIndex, startOf, toMedia, toWall, type Group, type Listing, type Segment } from '../src/lib/recorded/index';
import { RecordedPlayer, type TileState } from '../src/lib/recorded/player';
import type { RecordSource } from '../src/lib/recorded/source';
import { moved, ticks, zoomed } from '../src/lib/timeline/scale';

const segment = (start_ms: number, count: number): Segment => ({
  start_ms,
  end_ms: start_ms + count * 2_000,
  state: 'ok',
  codec_no: 1,
  clock_offset_ms: 40,
  groups: Array.from({ length: count }, (_, n): Group => [start_ms + n * 2_000, 2_000, 1_000, 0]),
});
const listing = (from_ms: number, to_ms: number, segments: Segment[], more: Partial<Listing> = {}): Listing => ({
  from_ms,
  to_ms,
  segments,
  gaps: [],
  codecs: [],
  previous_ms: null,
  next_ms: null,
  ...more,
});

describe('the index', () => {
  it('finds the group of a moment, and the one behind a hole of the clock', () => {
    const index = new RecordIndex();
    index.add(listing(0, 100_000, [segment(10_000, 3), segment(16_400, 2)]));
    expect(startOf(index.at(13_999)!)).toBe(12_000);
    expect(startOf(index.at(16_100)!)).toBe(16_400);
    expect(index.at(9_000)).toBeNull();
    expect(index.at(30_000)).toBeNull();
    expect(index.clockOffset(13_000)).toBe(40);
  });

  it('walks over the ends of segments both ways and past what cannot be read', () => {
    const index = new RecordIndex();
    const [first, second] = [segment(0, 2), segment(4_000, 2)];
    index.add(listing(0, 100_000, [first, second]));
    expect(index.next({ segment: first, n: 1 })).toEqual({ segment: second, n: 0 });
    expect(index.previous({ segment: second, n: 0 })).toEqual({ segment: first, n: 1 });
    expect(index.previous({ segment: first, n: 0 })).toBeNull();
    index.leaveOut({ segment: second, n: 0 });
    expect(index.next({ segment: first, n: 1 })).toEqual({ segment: second, n: 1 });
    expect(index.at(4_500)).toBeNull();
    expect(index.after(4_500)).toBe(6_000);
  });

  it('knows the nearest recordings from what the server says of the edges', () => {
    const index = new RecordIndex();
    index.add(listing(100_000, 200_000, [], { next_ms: 900_000, previous_ms: 40_000 }));
    expect(index.after(150_000)).toBe(900_000);
    expect(index.before(150_000)).toBe(40_000);
    index.add(listing(200_000, 300_000, [segment(250_000, 2)]));
    expect(index.after(150_000)).toBe(250_000);
    expect(index.before(253_000)).toBe(252_999);
  });

  it('remembers what was asked and tells why nothing is there', () => {
    const index = new RecordIndex();
    index.add(listing(0, 50_000, [], { gaps: [{ from_ms: 10_000, to_ms: null, reason: 'disk_full', words: 'The disk was full.' }] }));
    index.add(listing(50_000, 60_000, []));
    expect([index.isAsked(0), index.isAsked(59_999), index.isAsked(60_000)]).toEqual([true, true, false]);
    expect(index.gap(30_000)?.reason).toBe('disk_full');
    expect(index.gap(5_000)).toBeNull();
  });
});

describe('time', () => {
  it('maps media time and wall clock both ways, forwards and backwards', () => {
    const on = { origin_s: 5e5, base_ms: 1_000_000, pace: 8, direction: 1 } as const;
    expect(toMedia(on, 1_016_000)).toBe(5e5 + 2);
    const back = { ...on, direction: -1 } as const;
    expect(toMedia(back, 984_000)).toBe(5e5 + 2);
    expect(toWall(back, 5e5 + 2)).toBe(984_000);
  });

  it('keeps step: nothing for little, five per cent for more, a jump for a second', () => {
    expect(correct(50, 1, false)).toEqual({ rate: 1, isCorrecting: false, jump: false });
    expect(correct(50, 1, true).rate).toBeCloseTo(0.95);
    expect(correct(-300, 2, false).rate).toBeCloseTo(2.1);
    expect(correct(20, 1, true).isCorrecting).toBe(false);
    expect(correct(-1_500, 1, true).jump).toBe(true);
  });
});

describe('fragments', () => {
  const box = (kind: string, ...parts: (number[] | Uint8Array)[]): Uint8Array => {
    const body = parts.flatMap((one) => [...one]);
    const out = new Uint8Array(8 + body.length);
    new DataView(out.buffer).setUint32(0, out.length);
    [...kind].forEach((letter, n) => (out[4 + n] = letter.charCodeAt(0)));
    out.set(body, 8);
    return out;
  };
  const u32 = (...values: number[]) => values.flatMap((one) => [one >>> 24, (one >>> 16) & 255, (one >>> 8) & 255, one & 255]);

  it('reads when each picture is shown, with and without offsets', () => {
    const run = box('trun', u32(0x01000f01, 2, 100, 3600, 10, 0, 7200, 3600, 10, 0, 0xfffff1f0));
    const moof = box('moof', box('mfhd', u32(0, 1)), box('traf', box('tfhd', u32(0x020000, 1)), box('tfdt', u32(0x01000000, 0, 90_000)), run));
    const found = readFragments(new Uint8Array([...moof, ...box('mdat', [1, 2])]).buffer);
    expect(found).toEqual([{ time: 90_000, shown: [97_200, 90_000], durations: [3600, 3600] }]);
  });

  it('takes what is cut short or strange as nothing', () => {
    expect(readFragments(new Uint8Array([0, 0, 0, 9, 109, 111, 111, 102]).buffer)).toEqual([]);
    expect(timescaleOf(new Uint8Array(3).buffer)).toBe(90_000);
    const head = box('mdhd', u32(0, 0, 0, 12_800, 0));
    const init = box('moov', box('trak', box('mdia', head)));
    expect(timescaleOf(new Uint8Array(init).buffer)).toBe(12_800);
  });
});

describe('the axis', () => {
  const day = { from_ms: 0, to_ms: 86_400_000 };
  it('zooms about the pointer down to a minute and never leaves the day', () => {
    const near = zoomed(day, 0.5, 21_600_000, day);
    expect(near).toEqual({ from_ms: 10_800_000, to_ms: 54_000_000 });
    expect(zoomed(day, 1e-9, 1_000_000, day).to_ms - zoomed(day, 1e-9, 1_000_000, day).from_ms).toBeCloseTo(60_000);
    expect(zoomed(near, 100, 0, day)).toEqual(day);
    expect(moved(near, -1e9, day)).toEqual({ from_ms: 0, to_ms: 43_200_000 });
  });
  it('puts ticks on round figures', () => {
    expect(ticks({ from_ms: 0, to_ms: 600_000 }, 12).map((one) => one.at_ms / 60_000)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(ticks({ from_ms: 0, to_ms: 20_000 }, 6)[1]).toEqual({ at_ms: 5_000, hasSeconds: true });
  });
});

describe('a recording that changes its format', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('says what this browser cannot show, asks for none of it, and goes on where it can', async () => {
    vi.stubGlobal('MediaSource', { isTypeSupported: (mime: string) => mime.includes('avc1') });
    const asked: number[] = [];
    const states: TileState[] = [];
    const codecs = ['hev1.1.6.L93.B0', 'avc1.64001f'].map((one, n) => ({ no: n + 1, mime: `video/mp4; codecs="${one}"`, width: 640, height: 360 }));
    const segments = [segment(0, 3), { ...segment(6_000, 3), codec_no: 2 }];
    const source: RecordSource = {
      list: () => Promise.resolve(listing(0, 60_000, segments, { codecs })),
      init: () => new Promise(() => undefined),
      groups: (first) => {
        asked.push(startOf(first));
        return new Promise(() => undefined);
      },
      keys: () => new Promise(() => undefined),
    };
    const video = { paused: true, readyState: 0, requestVideoFrameCallback: () => 0 } as unknown as HTMLVideoElement;
    const player = new RecordedPlayer(video, source, { period: { from_ms: 0, to_ms: 60_000 }, onState: (state) => states.push(state), words: () => '' });
    player.follow(1_000, 1, true);
    await vi.waitFor(() => expect(states.at(-1)).toMatchObject({ phase: 'failed', reason: 'h265', isReady: true }));
    player.follow(5_900, 1, true);
    expect(asked).toEqual([]);
    player.follow(6_100, 1, true);
    await vi.waitFor(() => expect(asked).toEqual([6_000]));
    expect(states.at(-1)).toMatchObject({ phase: 'loading', isReady: false });
  });
});
