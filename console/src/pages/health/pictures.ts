/** The health of pictures as the interface tells it, and its words. */
import * as m from '$m';
import type { Tone } from '$lib/ui/StateMark.svelte';
import type { CameraFault } from './health';

export interface Still {
  id: string;
  fault_id: string;
  key: string;
  taken_at: string;
  expires_at: string;
  width: number;
  height: number;
}
export interface PictureFault extends CameraFault {
  score?: number | null;
  is_unsteady: boolean;
  stills: Still[];
}
export interface PictureDay {
  day: string;
  checks: number;
  mean: number | null;
  lowest: number;
}
export interface SiteFault {
  id: string;
  site: string;
  cameras: number;
  of: number;
  since: string;
  words: string;
}
export interface PictureOverview {
  problem: string;
  problem_words: string;
  cameras: number;
  examined: number;
  learned: number;
  doubtful: number;
  not_possible: number;
  checked_at: string | null;
  by_kind: Record<string, number>;
  opened_30_days: number;
  denied_30_days: number;
  false_fault_rate: number | null;
  trend: PictureDay[];
  sites: SiteFault[];
  may_see_stills: boolean;
}
export interface CameraPictureState {
  state: 'unknown' | 'learning' | 'good' | 'doubt' | 'fault';
  why_not: string;
  why_not_words: string;
  is_examined: boolean;
  score: number | null;
  checked_at: string | null;
  source: string;
  problem: string;
  problem_words: string;
  reference_pictures: number;
  measures: Record<string, number>;
  ratios: Record<string, number>;
  doubts: string[];
  trend: PictureDay[];
  faults: PictureFault[];
  relaxed: { key: string; until: string; factor: number }[];
  may_see_stills: boolean;
}

const KIND: Readonly<Record<string, () => string>> = {
  no_signal: m.health_image_no_signal,
  black: m.health_image_black,
  dark: m.health_image_dark,
  covered: m.health_image_covered,
  bright: m.health_image_bright,
  stripes: m.health_image_stripes,
  part_cover: m.health_image_part_cover,
  blur: m.health_image_blur,
  noise: m.health_image_noise,
  cast: m.health_image_cast,
  moved: m.health_image_moved,
  not_home: m.health_image_not_home,
  frozen: m.health_image_frozen,
  clock: m.health_image_clock,
};
export const KINDS = Object.keys(KIND);
/** The clock of the device, where the stream has none. */
const DEVICE_CLOCK = 'clock.offset';
export const isDeniable = (fault: PictureFault) => fault.key !== DEVICE_CLOCK;
export const openOf = (kind: string, by: Readonly<Record<string, number>>) =>
  (by[`image.${kind}`] ?? 0) + (kind === 'clock' ? (by[DEVICE_CLOCK] ?? 0) : 0);
export const kindOf = (key: string) => (KIND[key === DEVICE_CLOCK ? 'clock' : key.replace(/^image\./, '')] ?? (() => key))();

const STATE: Readonly<Record<CameraPictureState['state'], [Tone, () => string]>> = {
  unknown: ['off', m.health_image_state_unknown],
  learning: ['info', m.health_image_state_learning],
  good: ['ok', m.health_image_state_good],
  doubt: ['soon', m.health_image_state_doubt],
  fault: ['act', m.health_image_state_fault],
};
export const toneOf = (state: CameraPictureState['state']) => STATE[state][0];
export const stateOf = (state: CameraPictureState['state']) => STATE[state][1]();
