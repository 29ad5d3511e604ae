/** Samples as the wire has them, and how loud they are. */

const IS_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const FLOOR_DB = -60;

/** 16-bit little-endian bytes, whatever this machine's own order. */
export function toWire(frame: Int16Array): ArrayBuffer {
  const bytes = new ArrayBuffer(frame.length * 2);
  if (IS_LITTLE) new Int16Array(bytes).set(frame);
  else {
    const view = new DataView(bytes);
    frame.forEach((sample, index) => view.setInt16(index * 2, sample, true));
  }
  return bytes;
}

/** 0 for silence to 1 for full scale, along decibels, as ears have it. */
export function levelOf(frame: Int16Array): number {
  let sum = 0;
  for (const sample of frame) sum += sample * sample;
  if (sum === 0) return 0;
  const decibels = 20 * Math.log10(Math.sqrt(sum / frame.length) / 32_768);
  return Math.max(0, Math.min(1, 1 - decibels / FLOOR_DB));
}
