/** Acts that cannot be taken back: what the server says of them, and their words. */
import * as m from '$m';
import type { Tone } from '$lib/ui/StateMark.svelte';

export interface DeviceAct {
  id: string;
  kind: 'format_card' | 'upgrade';
  device_id: string;
  camera_id: string | null;
  params: { card?: number; firmware?: string; url?: string; manufacturer?: string; session?: string };
  reason: string;
  asked_by: string;
  asked_by_name: string;
  asked_at: string;
  expires_at: string | null;
  state: 'waiting' | 'expired' | 'withdrawn' | 'running' | 'taken' | 'done' | 'failed';
  decided_by: string;
  decided_by_name: string;
  decided_at: string | null;
  result: string;
  ended_at: string | null;
}

const STATE: Record<DeviceAct['state'], [Tone, () => string]> = {
  waiting: ['soon', m.registry_act_waiting],
  expired: ['off', m.registry_act_expired],
  withdrawn: ['off', m.registry_act_withdrawn],
  running: ['info', m.registry_act_running],
  taken: ['info', m.registry_act_taken],
  done: ['ok', m.registry_act_done],
  failed: ['act', m.registry_act_failed],
};
export const actTone = (act: DeviceAct): Tone => STATE[act.state][0];
export const actState = (act: DeviceAct): string => STATE[act.state][1]();
export const actTitle = (act: DeviceAct): string =>
  act.kind === 'upgrade'
    ? m.registry_act_upgrade({ firmware: act.params.firmware ?? '' })
    : act.params.card === 0
      ? m.registry_act_format_all()
      : m.registry_act_format({ card: act.params.card ?? 0 });

const RESULT: Record<string, () => string> = {
  refused: m.registry_act_refused,
  unreachable: m.registry_act_unreachable,
  not_connected: m.registry_act_not_connected,
  unknown: m.registry_act_unknown,
};
/** Why it failed, or that nobody knows; empty where the state says it all. */
export const actResult = (act: DeviceAct): string => {
  if (act.state === 'failed' || act.result === 'unknown') return RESULT[act.result]?.() ?? act.result;
  return '';
};
