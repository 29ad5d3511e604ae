/** Times of the pictures in fragmented MP4, as our recordings have them: one track, `moof` and `mdat` by turns. Pure. */

export interface Fragment {
  /** Decode time of its first picture, in the track's units. */
  time: number;
  /** When each picture is shown, in the track's units; in the order they are stored. */
  shown: readonly number[];
  durations: readonly number[];
}

function* boxes(view: DataView, from: number, to: number): Generator<{ kind: string; from: number; to: number }> {
  let at = from;
  while (at + 8 <= to) {
    let size = view.getUint32(at);
    let head = 8;
    if (size === 1 && at + 16 <= to) {
      size = Number(view.getBigUint64(at + 8));
      head = 16;
    } else if (size === 0) size = to - at;
    if (size < head || at + size > to) return;
    const kind = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    yield { kind, from: at + head, to: at + size };
    at += size;
  }
}

function inside(view: DataView, path: readonly string[], from: number, to: number): { from: number; to: number } | null {
  let found = { from, to };
  for (const kind of path) {
    const next = [...boxes(view, found.from, found.to)].find((one) => one.kind === kind);
    if (!next) return null;
    found = next;
  }
  return found;
}

/** The units a second of the first track; 90,000 when it cannot be read. */
export function timescaleOf(init: ArrayBuffer): number {
  const view = new DataView(init);
  const head = inside(view, ['moov', 'trak', 'mdia', 'mdhd'], 0, init.byteLength);
  if (!head) return 90_000;
  const scale = view.getUint32(head.from + (view.getUint8(head.from) === 1 ? 20 : 12));
  return scale > 0 ? scale : 90_000;
}

export function readFragments(data: ArrayBuffer): Fragment[] {
  const view = new DataView(data);
  const found: Fragment[] = [];
  for (const moof of boxes(view, 0, data.byteLength)) {
    if (moof.kind !== 'moof') continue;
    const traf = inside(view, ['traf'], moof.from, moof.to);
    if (!traf) continue;
    let time = 0;
    let usual = 0;
    const shown: number[] = [];
    const durations: number[] = [];
    let at = 0;
    for (const one of boxes(view, traf.from, traf.to)) {
      const flags = view.getUint32(one.from) & 0xffffff;
      const version = view.getUint8(one.from);
      if (one.kind === 'tfhd') {
        const before = (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
        if (flags & 8) usual = view.getUint32(one.from + 8 + before);
      } else if (one.kind === 'tfdt') {
        time = version === 1 ? Number(view.getBigUint64(one.from + 4)) : view.getUint32(one.from + 4);
        at = time;
      } else if (one.kind === 'trun') {
        const count = view.getUint32(one.from + 4);
        let place = one.from + 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
        const width = (flags & 0x100 ? 4 : 0) + (flags & 0x200 ? 4 : 0) + (flags & 0x400 ? 4 : 0) + (flags & 0x800 ? 4 : 0);
        if (place + count * width > one.to) break;
        for (let n = 0; n < count; n++, place += width) {
          const duration = flags & 0x100 ? view.getUint32(place) : usual;
          const offset = flags & 0x800 ? view.getInt32(place + width - 4) : 0;
          shown.push(at + offset);
          durations.push(duration);
          at += duration;
        }
      }
    }
    found.push({ time, shown, durations });
  }
  return found;
}
