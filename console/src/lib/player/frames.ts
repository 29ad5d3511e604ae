/** The text frames of the `live` socket. Pure; an unknown or unreadable frame is `null`. */

export type LiveFrame =
  | { type: 'mime'; mime: string; converted: boolean }
  | { type: 'status'; wall_ms: number | null; media_time_s: number | null; state: string; reason: string; converted: boolean }
  | { type: 'gap'; reason: string }
  | { type: 'quality'; isKeysOnly: boolean; reason: string }
  | { type: 'end'; reason: string };

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

export function readFrame(raw: string): LiveFrame | null {
  let frame: unknown;
  try {
    frame = JSON.parse(raw);
  } catch {
    return null;
  }
  if (typeof frame !== 'object' || frame === null) return null;
  const fields = frame as Record<string, unknown>;
  const converted = fields.converted === true;
  if (typeof fields.mime === 'string') return { type: 'mime', mime: fields.mime, converted };
  switch (fields.type) {
    case 'status':
      return {
        type: 'status',
        wall_ms: number(fields.wall_ms),
        media_time_s: number(fields.media_time),
        state: text(fields.state),
        reason: text(fields.reason),
        converted,
      };
    case 'gap':
      return { type: 'gap', reason: text(fields.reason) };
    case 'quality':
      return { type: 'quality', isKeysOnly: fields.mode === 'key_frames', reason: text(fields.reason) };
    case 'end':
      return { type: 'end', reason: text(fields.reason) };
    default:
      return null;
  }
}

export function hasAudioTrack(mime: string): boolean {
  return /mp4a|opus|flac/i.test(mime);
}
