/** The quarantine as the interface tells it. */
import * as m from '$m';

export interface WaitingSource {
  protocol: string;
  account: string;
  device_id: string | null;
  device_name: string;
  device_name_en: string;
  reason: string;
  words: string;
  count: number;
  first_at: string;
  last_at: string;
  code_system: string;
  code: string;
}
export interface Meaning {
  id: string;
  kind: string;
  category: string;
  priority: number;
  label_en: string;
  label_zh: string;
}
export interface Preview {
  read: number;
  late: number;
  alarms: number;
  late_alarms: number;
  not_understood: number;
  first_at: string | null;
  last_at: string | null;
}
export interface Repair {
  id: string;
  kind: 'code' | 'account';
  reason: string;
  reach: 'device' | 'model' | 'house' | '';
  reach_value: string;
  code_system: string;
  code: string;
  event: string;
  event_en: string;
  event_zh: string;
  protocol: string;
  account: string;
  device_id: string | null;
  created_at: string;
  created_by: string;
  undone_at: string | null;
  read: number;
  late: number;
  alarms: number;
}

const UNKNOWN_CODE = ['unknown_code', 'unknown_qualifier', 'undecoded', 'unknown_receiver_event'];
const UNKNOWN_SENDER = ['unknown_account', 'unknown_device'];

/** What a person can do about signals of a source: say what a code means, say whose they are, or nothing. */
export const repairOf = (source: WaitingSource): 'code' | 'account' | null =>
  UNKNOWN_SENDER.includes(source.reason) ? 'account' : UNKNOWN_CODE.includes(source.reason) && source.code !== '' && source.device_id ? 'code' : null;

export const keyOf = (source: WaitingSource) => [source.protocol, source.account, source.device_id ?? '', source.reason].join('|');

export const REACHES: readonly [Repair['reach'], () => string][] = [
  ['device', m.quarantine_reach_device],
  ['model', m.quarantine_reach_model],
  ['house', m.quarantine_reach_house],
];
