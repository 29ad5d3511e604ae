/** Alarm rules as the interface tells them, and their words. */
import * as m from '$m';
import { language } from '$lib/i18n/language.svelte';
import { count, duration, setDuration } from '$lib/i18n/time';
import { registry } from '$lib/registry/registry.svelte';
import type { Tone } from '$lib/ui/StateMark.svelte';

export interface Rule {
  id: string;
  method: string;
  version_no: number;
  name: string;
  name_en: string;
  jurisdiction_code: string;
  device_id: string;
  device_name: string;
  device_name_en: string;
  zone: string;
  knobs: Record<string, number>;
  pairs: [string, string][];
  is_on: boolean;
  is_exempt: boolean;
  owner: string;
  until: string;
  reason: string;
  made_at: string;
  made_by: string;
}
export interface Knob {
  name: string;
  default: number;
  least: number;
  most: number;
  unit: 's' | 'times' | 'steps' | 'yes_no';
}
export interface Method {
  method: string;
  has_pairs: boolean;
  knobs: Knob[];
}
export interface RuleAct {
  id: string;
  rule_id: string;
  version_no: number;
  rule_name: string;
  rule_name_en: string;
  owner: string;
  method: string;
  what: string;
  words_en: string;
  words_zh: string;
  signal_id: string;
  device_id: string;
  device_name: string;
  device_name_en: string;
  zone: string;
  label_en: string;
  label_zh: string;
  priority: number;
  received_at: string;
  until: string | null;
  ended_at: string | null;
  alarm_id: string | null;
}
export interface Outcome {
  what: string;
  delay_s: number;
  priority: number;
  confirmed: boolean;
}
export interface Trial {
  id: string;
  state: 'running' | 'done' | 'failed';
  problem: string;
  signals: number;
  devices: number;
  devices_total: number;
  alarms_before: number;
  alarms_after: number;
  repairs_before: number;
  repairs_after: number;
  differences: number;
  kinds: Record<string, number>;
  listed: {
    at: string;
    signal_id: string;
    event_no: number;
    device_id: string;
    device_name: string;
    device_name_en: string;
    zone: string;
    label_en: string;
    label_zh: string;
    before: Outcome;
    after: Outcome;
  }[];
}
export interface Repair {
  id: string;
  method: string;
  device_id: string;
  device_name: string;
  device_name_en: string;
  zone: string;
  opened_at: string;
  last_at: string;
  times: number;
  state: 'open' | 'accepted' | 'dismissed';
  decided_by: string;
  note: string;
}

const METHOD: Readonly<Record<string, readonly [() => string, () => string]>> = {
  cancel_window: [m.rules_cancel_window, m.rules_cancel_window_about],
  two_trip: [m.rules_two_trip, m.rules_two_trip_about],
  cross_zone: [m.rules_cross_zone, m.rules_cross_zone_about],
  sequential: [m.rules_sequential, m.rules_sequential_about],
  swinger: [m.rules_swinger, m.rules_swinger_about],
  runaway: [m.rules_runaway, m.rules_runaway_about],
  chatter: [m.rules_chatter, m.rules_chatter_about],
  disarmed: [m.rules_disarmed, m.rules_disarmed_about],
  on_test: [m.rules_on_test, m.rules_on_test_about],
};
export const methodOf = (key: string) => METHOD[key]?.[0]() ?? key;
export const aboutOf = (key: string) => METHOD[key]?.[1]() ?? '';

const KNOB: Readonly<Record<string, () => string>> = {
  hold_s: m.rules_knob_hold_s,
  window_s: m.rules_knob_window_s,
  different_kind: m.rules_knob_different_kind,
  raise_by: m.rules_knob_raise_by,
  pairs: m.rules_knob_pairs,
  release_s: m.rules_knob_release_s,
  per_min: m.rules_knob_per_min,
  per_hour: m.rules_knob_per_hour,
  quiet_s: m.rules_knob_quiet_s,
  trips: m.rules_knob_trips,
  lower_by: m.rules_knob_lower_by,
};
export const knobOf = (name: string) => (KNOB[name] ?? (() => name))();

export const WHAT: Readonly<Record<string, readonly [Tone, () => string]>> = {
  held: ['soon', m.rules_what_held],
  raised: ['info', m.rules_what_raised],
  cancelled: ['off', m.rules_what_cancelled],
  single: ['off', m.rules_what_single],
  grouped: ['off', m.rules_what_grouped],
  logged: ['off', m.rules_what_logged],
  lowered: ['info', m.rules_what_lowered],
  confirmed: ['info', m.rules_what_confirmed],
};
export const whatOf = (key: string): readonly [Tone, string] => {
  const [tone, words] = WHAT[key] ?? ['off', () => key];
  return [tone, words()];
};

const KIND: Readonly<Record<string, () => string>> = {
  no_longer_raised: m.rules_kind_no_longer_raised,
  raised_now: m.rules_kind_raised_now,
  later: m.rules_kind_later,
  sooner: m.rules_kind_sooner,
  confirmed: m.rules_kind_confirmed,
  no_longer_confirmed: m.rules_kind_no_longer_confirmed,
  priority: m.rules_kind_priority,
  other_reason: m.rules_kind_other_reason,
};
export const kindOf = (key: string, n: number) => `${(KIND[key] ?? (() => key))()} ${count(n, language.current)}`;

/** `30 s`, `45 min`; a number without a unit as it is. */
export const knobText = (knob: Knob, value: number) =>
  knob.unit === 's' ? setDuration(value * 1000, language.current) : String(value);

/** What would come of an event, in one line. */
export function outcome(one: Outcome): string {
  const said = [whatOf(one.what)[1]];
  if (one.what === 'raised') said[0] = one.delay_s > 0 ? m.rules_after({ span: duration(one.delay_s * 1000, language.current) }) : m.rules_at_once();
  if (one.confirmed) said.push(m.rules_what_confirmed());
  said.push(`P${one.priority}`);
  return said.join(' · ');
}

export function where(rule: Pick<Rule, 'device_id' | 'device_name' | 'device_name_en' | 'zone' | 'jurisdiction_code'>): string {
  if (rule.device_id) {
    const device = language.pick(rule.device_name_en || rule.device_name, rule.device_name);
    return rule.zone ? `${device} · ${m.rules_zone_n({ n: rule.zone })}` : device;
  }
  if (!rule.jurisdiction_code) return m.rules_whole_house();
  const node = registry.jurisdictions.find((one) => one.code === rule.jurisdiction_code);
  return node ? language.name(node) : rule.jurisdiction_code;
}

const REPAIR: Readonly<Record<string, () => string>> = {
  chatter: m.rules_repair_chatter,
  swinger: m.rules_repair_swinger,
  runaway: m.rules_repair_runaway,
};
export const repairWords = (method: string) => (REPAIR[method] ?? (() => method))();
