/** Upper platforms as the API shows them, and what their states are called. */
import * as m from '$m';
import type { Tone } from '$lib/ui/StateMark.svelte';

export interface Line {
  kind: 'node' | 'place_class' | 'camera';
  value: string;
}
export interface Happening {
  at: string;
  words_en: string;
  words_zh: string;
}
export interface UpperView {
  id: string;
  camera_id: string;
  camera_name: string;
  kind: 'live' | 'playback' | 'download';
  recordings_from: string | null;
  recordings_to: string | null;
  purpose: string;
  user_identity: string;
  opened_at: string;
  expires_at: string;
  ended_at: string | null;
  end_reason: string;
}
/** Something it asked for and did not get. */
export interface UpperFailure {
  id: string;
  at: string;
  kind: 'live' | 'playback' | 'download' | 'list' | '';
  camera_id: string | null;
  camera_name: string;
  user_identity: string;
  status: number | null;
  key: string;
  words: string;
}
export interface Upper {
  id: string;
  name: string;
  name_en: string;
  jurisdiction_id: string;
  upper_id: string;
  domain: string;
  host: string;
  port: number;
  transport: string;
  local_id: string;
  username: string;
  has_secret: boolean;
  charset: string;
  edition: string;
  expires_s: number;
  keepalive_s: number;
  page_items: number;
  send_alarms: string;
  view_minutes: number;
  rights: string[];
  owner: string;
  purpose: string;
  basis: string;
  ends_at: string;
  is_enabled: boolean;
  stopped_at: string | null;
  sharing: 'active' | 'off' | 'stopped' | 'ended';
  cameras: number;
  live_count: number;
  version: number;
  connection: { state: string; words_en: string; words_zh: string; events: Happening[]; subscriptions: string[] };
  selection?: Line[];
  live?: UpperView[];
}
export interface Exported {
  exported_id: string;
  own_id: string;
  name: string;
  camera_id: string | null;
  protocol: string;
  has_recordings: boolean;
  tells_position: boolean;
  civil_code: string;
  parent_id: string;
  group_id: string;
  state: 'online' | 'offline' | null;
}

export const RIGHTS: [string, () => string][] = [
  ['live', m.uppers_right_live],
  ['recordings', m.uppers_right_recordings],
  ['positions', m.uppers_right_positions],
  ['ptz', m.uppers_right_ptz],
  ['presets', m.uppers_right_presets],
  ['record', m.uppers_right_record],
  ['guard', m.uppers_right_guard],
  ['reset', m.uppers_right_reset],
  ['reboot', m.uppers_right_reboot],
];
export const rightName = (right: string) => RIGHTS.find(([key]) => key === right)?.[1]() ?? right;

const KINDS: Record<string, () => string> = {
  live: m.uppers_kind_live,
  playback: m.uppers_kind_playback,
  download: m.uppers_kind_download,
  list: m.uppers_kind_list,
  positions: m.uppers_kind_positions,
};
export const kindOf = (kind: string) => (KINDS[kind] ?? m.uppers_kind_order)();

const ENDED: Record<string, () => string> = {
  closed: m.uppers_end_closed,
  expired: m.uppers_end_expired,
  stopped: m.uppers_end_stopped,
  revoked: m.uppers_end_revoked,
  keepalive_lost: m.uppers_end_lost,
  restarted: m.uppers_end_restarted,
  'recording.ended': m.uppers_end_played,
  'recording.silent': m.uppers_end_played,
  'recording.ended_by_device': m.uppers_end_device,
};
export const endOf = (view: UpperView) => (ENDED[view.end_reason] ?? m.uppers_end_other)();

export function toneOf(upper: Upper): Tone {
  if (upper.sharing === 'stopped') return 'act';
  if (upper.sharing !== 'active') return 'off';
  return upper.connection.state === 'online' ? 'ok' : upper.connection.state === 'registering' ? 'info' : 'soon';
}
export function shortState(upper: Upper): string {
  if (upper.sharing === 'stopped') return m.uppers_state_stopped();
  if (upper.sharing === 'ended') return m.uppers_state_ended();
  if (upper.sharing === 'off') return m.uppers_state_off();
  if (upper.connection.state === 'online') return m.uppers_state_online();
  return upper.connection.state === 'registering' ? m.uppers_state_registering() : m.uppers_state_failing();
}
