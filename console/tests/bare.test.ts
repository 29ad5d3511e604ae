import { describe, expect, it } from 'vitest';
import { mimeOf } from '../src/lib/player/bare';

const bytes = (...values: number[]) => Uint8Array.from(values);
const zeros = (count: number) => new Uint8Array(count);

function box(kind: string, ...parts: Uint8Array[]): Uint8Array {
  const size = 8 + parts.reduce((sum, part) => sum + part.length, 0);
  const made = new Uint8Array(size);
  new DataView(made.buffer).setUint32(0, size);
  made.set(new TextEncoder().encode(kind), 4);
  let at = 8;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

const track = (entry: Uint8Array) =>
  box('trak', box('mdia', box('minf', box('stbl', box('stsd', zeros(8), entry)))));
const start = (...tracks: Uint8Array[]) => {
  const head = box('ftyp', zeros(8));
  const moov = box('moov', ...tracks);
  const made = new Uint8Array(head.length + moov.length);
  made.set(head);
  made.set(moov, head.length);
  return made;
};
const h264 = box('avc1', zeros(78), box('avcC', bytes(1, 0x64, 0x00, 0x1e, 0xff)));
const h265 = box(
  'hvc1',
  zeros(78),
  box('hvcC', bytes(1, 0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93), zeros(10)),
);

describe('fMP4 without text frames', () => {
  it('names H.264 by its profile and level', () => {
    expect(mimeOf(start(track(h264)))).toBe('video/mp4; codecs="avc1.64001E"');
  });

  it('names H.265 as browsers ask for it', () => {
    expect(mimeOf(start(track(h265)))).toBe('video/mp4; codecs="hvc1.1.6.L93.B0"');
  });

  it('tells that there is sound', () => {
    expect(mimeOf(start(track(box('mp4a', zeros(28))), track(h264)))).toBe('video/mp4; codecs="avc1.64001E,mp4a.40.2"');
  });

  it('is not taken in by what is no initialisation', () => {
    expect(mimeOf(zeros(0))).toBeNull();
    expect(mimeOf(box('moof', zeros(40)))).toBeNull();
    expect(mimeOf(start(track(box('mp4a', zeros(28)))))).toBeNull();
    const whole = start(track(h264));
    for (let cut = 0; cut < whole.length; cut++) expect(mimeOf(whole.subarray(0, cut))).toBeNull();
  });

  it('reads any bytes without failing', () => {
    const whole = start(track(h265), track(h264));
    for (let at = 0; at < whole.length; at++) {
      const broken = whole.slice();
      broken[at] = 0xff;
      expect(() => mimeOf(broken)).not.toThrow();
    }
  });
});
