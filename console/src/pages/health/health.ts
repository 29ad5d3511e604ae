/** Camera health as the interface tells it, and its words. */
import * as m from '$m';
import type { Tone } from '$lib/ui/StateMark.svelte';

export interface Measures {
  at: string;
  source: 'live' | 'check';
  last_frame_at: string | null;
  bitrate_bps: number | null;
  loss_share: number | null;
  key_interval_ms: number | null;
  codec: string;
  width: number;
  height: number;
}
export interface CameraFault {
  id: string;
  camera_id: string;
  key: string;
  since: string;
  until: string | null;
  words: string;
  name?: string;
  name_en?: string;
  jurisdiction_id?: string;
  maker?: string;
  model?: string;
  line?: string;
}
export interface CameraHealth {
  state: 'unknown' | 'online' | 'offline';
  because: string;
  since: string | null;
  measures: Measures | null;
  checked_at: string | null;
  clock_offset_s: number | null;
  online_share: Record<string, number | null>;
  faults: CameraFault[];
  history: CameraFault[];
}
export interface HealthGroup {
  key: string;
  cameras: number;
  online: number;
  offline: number;
  faulty: number;
  online_share: number | null;
}

const KIND: Readonly<Record<string, () => string>> = {
  'offline.device': m.health_offline_device,
  'offline.parent': m.health_offline_parent,
  'offline.gone': m.health_offline_gone,
  'offline.self': m.health_offline_self,
  'picture.none': m.health_picture_none,
  'picture.lossy': m.health_picture_lossy,
  'picture.keys_rare': m.health_picture_keys_rare,
  'picture.thin': m.health_picture_thin,
  'clock.offset': m.health_clock_offset,
  'storage.error': m.health_storage_error,
  'storage.unformatted': m.health_storage_unformatted,
  'image.no_signal': m.health_image_no_signal,
  'image.black': m.health_image_black,
  'image.dark': m.health_image_dark,
  'image.covered': m.health_image_covered,
  'image.bright': m.health_image_bright,
  'image.stripes': m.health_image_stripes,
  'image.part_cover': m.health_image_part_cover,
  'image.blur': m.health_image_blur,
  'image.noise': m.health_image_noise,
  'image.cast': m.health_image_cast,
  'image.moved': m.health_image_moved,
  'image.not_home': m.health_image_not_home,
  'image.frozen': m.health_image_frozen,
  'image.clock': m.health_image_clock,
};
export const kindOf = (key: string) => (KIND[key] ?? (() => key))();
export const toneOf = (key: string): Tone => (key.startsWith('offline.') ? 'act' : 'soon');

/** A share as per cent with one digit, rounded down: 99.96 % is not 100 %. */
export function percent(share: number | null | undefined, tag: string): string {
  if (share === null || share === undefined) return '–';
  const tenths = Math.floor(share * 1000 + 1e-9) / 10;
  return `${tenths.toLocaleString(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} %`;
}
