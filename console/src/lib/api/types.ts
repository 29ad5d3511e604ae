/** The objects of `/api/v1`, as the server writes them. Times are RFC 3339 UTC texts. */
export type Permission =
  | 'handle_incident'
  | 'supervise_incident'
  | 'view_live'
  | 'view_live_other_purpose'
  | 'control_camera'
  | 'speak_to_camera'
  | 'open_door'
  | 'manage_registry'
  | 'manage_users'
  | 'manage_plans'
  | 'read_audit'
  | 'read_registry'
  | 'read_incidents'
  | 'manage_settings'
  | 'commission_camera'
  | 'set_unit'
  | 'arm_device'
  | 'invite_test'
  | 'share_cameras'
  | 'stop_sharing'
  | 'read_contacts'
  | 'manage_contacts'
  | 'note_account';

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface SessionUser {
  id: string;
  username: string;
  name: string;
  roles: string[];
  jurisdictions: { id: string; name: string; name_en: string; code: string }[];
  permissions: Permission[];
  language: string;
  seat: string;
}

export interface Session {
  user: SessionUser;
  csrf: string;
  expires_at: string;
  on_duty: boolean;
}

export interface Jurisdiction {
  id: string;
  code: string;
  name: string;
  name_en: string;
  level: 'city' | 'county' | 'township';
  parent_id: string | null;
  defaults: { owner: string; purpose: string };
  version: number;
}

export interface Place {
  id: string;
  jurisdiction_id: string;
  name: string;
  name_en: string;
  class: string;
  address: string;
  owner: string;
  lon: number | null;
  lat: number | null;
  contacts: { name: string; role: string; phone: string }[];
  notes: string;
  version: number;
  retired: boolean;
}

export type DeviceState = 'online' | 'offline' | 'never' | 'pending';

export interface Device {
  id: string;
  kind: string;
  name: string;
  name_en: string;
  place_id: string | null;
  jurisdiction_id: string | null;
  protocol: string;
  address: { account?: string; prefix?: string; receiver?: string; gb_id?: string; url?: string; sub_url?: string; username?: string; topic?: string; status_topic?: string };
  transport: string;
  maker: string;
  model: string;
  line: string;
  network: string;
  feeder: string;
  firmware: string;
  state: DeviceState;
  state_since: string | null;
  last_seen_at: string | null;
  peer: string;
  keyed: boolean;
  poll_interval_s: number;
  clock_offset_s: number;
  faults: { key: string; since: string; words: string }[];
  profile: Record<string, unknown>;
  version: number;
  retired: boolean;
}

export interface Zone {
  id: string;
  device_id: string;
  number: string;
  name: string;
  name_en: string;
  kind: string;
  place_id: string | null;
  cameras: string[];
  version: number;
}

export interface Live {
  state: 'idle' | 'starting' | 'live' | 'stale' | 'failed';
  reason: string;
  words: string;
  codec: string;
  width: number;
  height: number;
  bitrate_bps: number;
  viewers: number;
  loss_share: number;
  last_frame_at: string | null;
  converted: boolean;
  strangers: number;
  kernel_drops: number;
  late: number;
  resyncs: number;
}

export interface Camera {
  id: string;
  device_id: string;
  gb_id: string;
  name: string;
  name_en: string;
  place_id: string | null;
  jurisdiction_id: string | null;
  lon: number | null;
  lat: number | null;
  bearing_deg: number | null;
  fov_deg: number | null;
  range_m: number | null;
  owner: string;
  purpose: string;
  stage: 'discovered' | 'in_service' | 'retired';
  missing: string[];
  state: 'online' | 'offline';
  /** False for a fixed camera. */
  can_move: boolean;
  /** People's own words. */
  tags: string[];
  /** When a moving camera last said where it is. */
  position?: { at: string; speed_kmh?: number; direction_deg?: number } | null;
  live: Live;
  version: number;
}

export interface SignalEvent {
  code_system: string;
  code: string;
  kind: string;
  category: string;
  priority: number;
  area: string;
  zone: string;
  user: string;
  text: string;
  label: string;
  label_en: string;
  label_zh: string;
}

export interface Signal {
  id: string;
  protocol: string;
  transport: string;
  peer: string;
  account: string;
  device_id: string | null;
  token: string;
  received_at: string;
  sent_at: string | null;
  raw: string;
  encrypted: boolean;
  copies: number;
  quarantine: string;
  quarantine_words: string;
  flags: string[];
  events: SignalEvent[];
  alarm_ids: string[];
  state: 'processed' | 'unprocessed' | 'quarantined';
  /** What alarm rules did to its events. */
  rules: { id: string; words_en: string; words_zh: string; what: string; version_no: number; owner: string; until: string | null }[];
}

export interface Alarm {
  id: string;
  number: string;
  signal_id: string;
  device_id: string | null;
  zone_id: string | null;
  channel_id: string | null;
  place_id: string | null;
  jurisdiction_id: string;
  incident_id: string | null;
  kind: string;
  code: string;
  priority: number;
  label: string;
  label_en: string;
  label_zh: string;
  text: string;
  area?: string;
  zone?: string;
  state: 'open' | 'restored' | 'closed';
  restored_at?: string | null;
  stamps: Record<string, Stamp>;
}

export type IncidentState =
  | 'new'
  | 'pending'
  | 'parked'
  | 'dispatched'
  | 'acknowledged'
  | 'en_route'
  | 'on_scene'
  | 'working'
  | 'cleared'
  | 'closed'
  | 'cancelled'
  | 'merged';

export type Verdict = 'none' | 'genuine' | 'false' | 'unsure';

export interface Stamp {
  at: string;
  source: string;
  who: string;
}

/** Where the terminal of an incident says it is; without a fix in its newest report, the last position known. */
export interface IncidentPoint {
  device_id: string;
  lon: number | null;
  lat: number | null;
  fix_at: string | null;
  has_fix: boolean;
  heard_at: string;
  moving: boolean;
  speed_kmh: number;
  heading_deg: number;
}

export interface Incident {
  id: string;
  number: string;
  jurisdiction_id: string;
  place: { id: string; name: string; name_en: string; address: string; lon: number | null; lat: number | null } | null;
  point?: IncidentPoint | null;
  title: string;
  title_en: string;
  title_zh: string;
  kind: string;
  priority: number;
  state: IncidentState;
  owner: { user_id: string; name: string } | null;
  lease_expires_at: string | null;
  verdict: Verdict;
  cause: string;
  disposition: string;
  opened_at: string;
  last_alarm_at: string;
  alarm_count: number;
  parked_until: string | null;
  park_reason: string;
  plan: { id: string; name: string; name_en: string; version_no: number } | null;
  next_deadline_at: string | null;
  stamps: Record<string, Stamp>;
  /** A verdict or parking can be taken back until then. */
  undo_until: string | null;
  version: number;
}

export interface Step {
  n: number;
  title: string;
  title_en: string;
  title_zh: string;
  kind: 'view' | 'verdict' | 'assign' | 'call' | 'note' | 'check';
  mandatory: boolean;
  applies: 'any' | 'genuine' | 'unsure';
  state: 'waiting' | 'open' | 'done' | 'skipped' | 'not_applicable';
  due_at: string | null;
  overdue: boolean;
  done_at: string | null;
  done_by: string | null;
  note: string;
}

export type AssignmentState =
  | 'sent'
  | 'delivered'
  | 'accepted'
  | 'en_route'
  | 'on_scene'
  | 'cleared'
  | 'recalled';

export interface Assignment {
  id: string;
  unit_id: string;
  unit_name: string;
  state: AssignmentState;
  sent_at: string;
  delivered_at?: string | null;
  accepted_at?: string | null;
  en_route_at?: string | null;
  on_scene_at?: string | null;
  ended_at?: string | null;
}

export interface IncidentNote {
  id: string;
  at: string;
  user_id?: string;
  user_name?: string;
  who?: string;
  kind?: string;
  text: string;
}

/** One audit record of the incident. */
export interface HistoryEntry {
  seq?: number;
  at: string;
  action?: string;
  outcome?: 'done' | 'refused';
  actor?: { kind: string; id: string; name: string } | null;
  who?: string;
  detail?: Record<string, unknown>;
}

export interface IncidentFull extends Incident {
  alarms: Alarm[];
  accounts: { device_id: string; name: string; account: string }[];
  channels: Camera[];
  steps: Step[];
  assignments: Assignment[];
  notes: IncidentNote[];
  history: HistoryEntry[];
  /** The place of the registry nearest to the point; the direction is from the place to the point. */
  near?: { id: string; name: string; name_en: string; address: string; distance_m: number; bearing_deg: number } | null;
  closing: { ready: boolean; blocked_by: { key: string; words: string; words_en?: string; words_zh?: string }[] };
}

export interface Unit {
  id: string;
  name: string;
  name_en?: string;
  call_sign: string;
  kind: 'car' | 'foot' | 'motorcycle';
  crew: number;
  jurisdiction_id: string;
  state: string;
  state_reason?: string;
  state_since?: string | null;
  lon: number | null;
  lat: number | null;
  fix_at: string | null;
  incident_id: string | null;
  version: number;
  distance_m?: number;
  bearing_deg?: number;
}

export interface User {
  id: string;
  username: string;
  name: string;
  roles: string[];
  jurisdiction_ids: string[];
  disabled: boolean;
  last_seen_at: string | null;
  version: number;
}

export interface AuditRecord {
  seq: number;
  at: string;
  actor: { kind: string; id: string; name: string };
  action: string;
  subject: { kind: string; id: string };
  outcome: 'done' | 'refused';
  detail: Record<string, unknown>;
  hash: string;
  prev_hash: string;
}

export interface AttemptStep {
  key: string;
  state: 'ok' | 'failed' | 'skipped';
  at_ms: number;
  words: string;
  params: Record<string, string | number>;
}

export interface Attempt {
  id: string;
  device_id: string;
  channel_id: string | null;
  kind: 'registration' | 'catalog' | 'play' | 'subscription' | 'control' | 'report';
  started_at: string;
  ended_at: string | null;
  outcome: 'ok' | 'failed' | 'running';
  failure: string;
  failure_words: string;
  steps: AttemptStep[];
}

export interface View {
  id: string;
  expires_at: string;
  purpose: string;
  incident_id: string | null;
  channels: string[];
  live: Record<string, string>;
  /** The stream each address shows, and why it is not the one asked for. */
  streams: Record<string, 'main' | 'sub'>;
  notes: Record<string, string>;
}

export interface Status {
  server_time: string;
  version: string;
  panels: { online: number; total: number };
  cameras: { online: number; total: number };
  store: { state: string; reason: string };
  media: { workers: number; alive: number };
  alarms_last_10_min: number;
  audit_head: { seq: number; at: string } | null;
  notices: Notice[];
}

export interface Notice {
  key: string;
  words: string;
  since: string;
  severity: string;
}

export interface Word {
  key: string;
  zh: string;
  en: string;
  /** The most minutes of a view, with purposes. */
  limit_min?: number;
}

export interface Vocabulary {
  false_causes: Word[];
  dispositions: Word[];
  park_reasons: Word[];
  purposes: Word[];
  unit_states: Word[];
  contact_roles: Word[];
  call_outcomes: Word[];
}

export interface Setting {
  name: string;
  value: unknown;
  default: unknown;
  source: string;
  description: string;
  unit: string;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  params?: Record<string, unknown>;
  errors?: { field: string; message: string }[];
  rule?: string;
}
