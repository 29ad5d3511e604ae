/** Words of the incidents page that depend on values. */
import * as m from '$m';
import type { IncidentState, Verdict } from '$lib/api/types';
import type { Tone } from '$lib/ui/StateMark.svelte';

export const KIND: Readonly<Record<string, () => string>> = {
  panic: m.incidents_kind_panic,
  duress: m.incidents_kind_duress,
  medical: m.incidents_kind_medical,
  fire: m.incidents_kind_fire,
  gas: m.incidents_kind_gas,
  burglary: m.incidents_kind_burglary,
  perimeter: m.incidents_kind_perimeter,
  tamper: m.incidents_kind_tamper,
  technical: m.incidents_kind_technical,
  supervisory: m.incidents_kind_supervisory,
  trouble: m.incidents_kind_trouble,
  power: m.incidents_kind_power,
  comms: m.incidents_kind_comms,
  openclose: m.incidents_kind_openclose,
  access: m.incidents_kind_access,
  bypass: m.incidents_kind_bypass,
  test: m.incidents_kind_test,
  system: m.incidents_kind_system,
  unprocessed: m.incidents_kind_unprocessed,
  cancel: m.incidents_kind_cancel,
  public_warning: m.incidents_kind_public_warning,
  verify: m.incidents_kind_verify,
  unknown: m.incidents_kind_unknown,
};

export const kindWords = (kind: string): string => KIND[kind]?.() ?? kind;

export const VERDICT: Readonly<Record<Verdict, () => string>> = {
  none: m.incidents_verdict_none,
  genuine: m.incidents_verdict_genuine,
  false: m.incidents_verdict_false,
  unsure: m.incidents_verdict_unsure,
};

export const STATE_TONE: Readonly<Record<IncidentState, Tone>> = {
  new: 'act',
  pending: 'soon',
  parked: 'off',
  dispatched: 'info',
  acknowledged: 'info',
  en_route: 'info',
  on_scene: 'info',
  working: 'info',
  cleared: 'ok',
  closed: 'ok',
  cancelled: 'off',
  merged: 'off',
};

const SOURCE: Readonly<Record<string, () => string>> = {
  device: m.incidents_source_device,
  server: m.incidents_source_server,
  operator: m.incidents_source_operator,
  operator_console: m.incidents_source_console,
  unit: m.incidents_source_unit,
  unit_button: m.incidents_source_unit_button,
  geofence: m.incidents_source_geofence,
  peer: m.incidents_source_peer,
};

export const sourceWords = (source: string): string => SOURCE[source]?.() ?? source;

const VIEW_END: Readonly<Record<string, () => string>> = {
  closed: m.incidents_view_end_closed,
  expired: m.incidents_view_end_expired,
  claimed: m.incidents_view_end_claimed,
  incident_closed: m.incidents_view_end_incident,
  session_ended: m.incidents_view_end_session,
  revoked: m.incidents_view_end_revoked,
  retired: m.incidents_view_end_retired,
};

export const viewEndWords = (reason: string): string => VIEW_END[reason]?.() ?? m.incidents_view_end_other();
