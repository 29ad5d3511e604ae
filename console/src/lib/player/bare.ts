/** Fragmented MP4 without our text frames, as an external media server sends it: what it is, read from its beginning. */

const hex = (value: number): string => value.toString(16).padStart(2, '0').toUpperCase();

const SAMPLE_ENTRIES = new Set(['avc1', 'avc3', 'hvc1', 'hev1']);
/** Boxes whose content is boxes, and how many bytes stand before those. */
const NESTS: Record<string, number> = {
  moov: 0,
  trak: 0,
  mdia: 0,
  minf: 0,
  stbl: 0,
  stsd: 8,
  avc1: 78,
  avc3: 78,
  hvc1: 78,
  hev1: 78,
};
const DEEPEST = 12;

interface Found {
  entry: string;
  codec: string;
  hasSound: boolean;
}

function hevc(entry: string, view: DataView, at: number): string {
  const first = view.getUint8(at + 1);
  const space = ['', 'A', 'B', 'C'][first >> 6] ?? '';
  let flags = view.getUint32(at + 2);
  let turned = 0;
  for (let bit = 0; bit < 32; bit++) {
    turned = (turned << 1) | (flags & 1);
    flags >>>= 1;
  }
  const constraints = Array.from({ length: 6 }, (_, n) => view.getUint8(at + 6 + n));
  while (constraints.length && constraints.at(-1) === 0) constraints.pop();
  const tier = first & 0x20 ? 'H' : 'L';
  const parts = [`${space}${first & 0x1f}`, (turned >>> 0).toString(16).toUpperCase(), `${tier}${view.getUint8(at + 12)}`];
  return [entry, ...parts, ...constraints.map((value) => value.toString(16).toUpperCase())].join('.');
}

function walk(view: DataView, from: number, to: number, found: Found, depth: number): void {
  for (let at = from; at + 8 <= to && depth < DEEPEST; ) {
    const size = view.getUint32(at);
    const end = at + size;
    if (size < 8 || end > to) return;
    const kind = String.fromCharCode(...[4, 5, 6, 7].map((n) => view.getUint8(at + n)));
    if (SAMPLE_ENTRIES.has(kind)) found.entry = kind;
    if (kind === 'mp4a' || kind === 'Opus' || kind === 'fLaC') found.hasSound = true;
    if (kind === 'avcC' && found.entry && size >= 12)
      found.codec = `${found.entry}.${[9, 10, 11].map((n) => hex(view.getUint8(at + n))).join('')}`;
    if (kind === 'hvcC' && found.entry && size >= 21) found.codec = hevc(found.entry, view, at + 8);
    const nest = NESTS[kind];
    if (nest !== undefined) walk(view, at + 8 + nest, end, found, depth + 1);
    at = end;
  }
}

/** The type of a stream by its initialisation; null when the data does not begin with one, or it has no picture. */
export function mimeOf(data: Uint8Array): string | null {
  const found: Found = { entry: '', codec: '', hasSound: false };
  walk(new DataView(data.buffer, data.byteOffset, data.byteLength), 0, data.byteLength, found, 0);
  if (!found.codec) return null;
  return `video/mp4; codecs="${found.codec}${found.hasSound ? ',mp4a.40.2' : ''}"`;
}
