/** Words of the registry that depend on values. */
import * as m from '$m';
import type { Attempt, Camera, Device } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';
import { count, duration } from '$lib/i18n/time';
import type { Tone } from '$lib/ui/StateMark.svelte';

const KIND: Record<string, () => string> = {
  panel: m.registry_kind_panel,
  camera: m.registry_kind_camera,
  platform: m.registry_kind_platform,
  intercom: m.registry_kind_intercom,
  terminal: m.registry_kind_terminal,
  sensor: m.registry_kind_sensor,
  receiver: m.registry_kind_receiver,
};
export const KINDS = Object.keys(KIND);
export const kindOf = (kind: string) => (KIND[kind] ?? (() => kind))();

const PROTOCOL: Record<string, string> = {
  dc09: 'SIA DC-09',
  gb28181: 'GB/T 28181',
  onvif: 'ONVIF',
  rtsp: 'RTSP',
  surgard: 'Sur-Gard',
  ademco685: 'Ademco 685',
  radionics6500: 'Radionics 6500',
  dc07: 'SIA DC-07',
  relayed: 'Sur-Gard / 685 / 6500 / DC-07',
  jt808: 'JT/T 808',
  mqtt: 'MQTT',
  webhook: 'Webhook',
  cap: 'CAP 1.2',
  sip: 'SIP',
};
export const protocolOf = (protocol: string) => PROTOCOL[protocol] ?? protocol;

const CLASS: Record<string, () => string> = {
  school: m.registry_class_school,
  kindergarten: m.registry_class_kindergarten,
  hospital: m.registry_class_hospital,
  clinic: m.registry_class_clinic,
  bank: m.registry_class_bank,
  government: m.registry_class_government,
  police: m.registry_class_police,
  waterworks: m.registry_class_waterworks,
  power: m.registry_class_power,
  gas: m.registry_class_gas,
  fuel: m.registry_class_fuel,
  factory: m.registry_class_factory,
  warehouse: m.registry_class_warehouse,
  shop: m.registry_class_shop,
  market: m.registry_class_market,
  hotel: m.registry_class_hotel,
  station: m.registry_class_station,
  square: m.registry_class_square,
  park: m.registry_class_park,
  road: m.registry_class_road,
  bridge: m.registry_class_bridge,
  residence: m.registry_class_residence,
  guest_room: m.registry_class_guest_room,
  dormitory_room: m.registry_class_dormitory_room,
  bathroom: m.registry_class_bathroom,
  toilet: m.registry_class_toilet,
  changing_room: m.registry_class_changing_room,
  fitting_room: m.registry_class_fitting_room,
  nursing_room: m.registry_class_nursing_room,
  private_room: m.registry_class_private_room,
  other: m.registry_class_other,
};
export const CLASSES = Object.keys(CLASS);
/** Classes of places in which nobody may be filmed: the server refuses cameras there. */
export const UNFILMED: readonly string[] = ['guest_room', 'dormitory_room', 'bathroom', 'toilet', 'changing_room', 'fitting_room', 'nursing_room', 'private_room'];
export const classOf = (key: string) => (CLASS[key] ?? (() => key))();

const ZONE: Record<string, () => string> = {
  infrared: m.registry_zone_infrared,
  door: m.registry_zone_door,
  window: m.registry_zone_window,
  glass: m.registry_zone_glass,
  perimeter: m.registry_zone_perimeter,
  panic: m.registry_zone_panic,
  holdup: m.registry_zone_holdup,
  smoke: m.registry_zone_smoke,
  heat: m.registry_zone_heat,
  fire: m.registry_zone_fire,
  gas: m.registry_zone_gas,
  water: m.registry_zone_water,
  temperature: m.registry_zone_temperature,
  tamper: m.registry_zone_tamper,
  medical: m.registry_zone_medical,
  vibration: m.registry_zone_vibration,
  other: m.registry_zone_other,
};
export const ZONE_KINDS = Object.keys(ZONE);
export const zoneKindOf = (key: string) => (key ? (ZONE[key] ?? (() => key.replaceAll('_', ' ')))() : '');

const MISSING: Record<string, () => string> = {
  owner: m.registry_missing_owner,
  place: m.registry_missing_place,
  purpose: m.registry_missing_purpose,
};
const between = () => (language.current === 'zh-CN' ? '、' : ', ');
export const missingOf = (missing: readonly string[]) =>
  missing.map((key) => (MISSING[key] ?? (() => key))()).join(between());

export const STAGE: Record<Camera['stage'], () => string> = {
  discovered: m.registry_stage_discovered,
  in_service: m.registry_stage_in_service,
  retired: m.registry_stage_retired,
};

export const ATTEMPT: Record<Attempt['kind'], () => string> = {
  registration: m.registry_attempt_registration,
  catalog: m.registry_attempt_catalog,
  play: m.registry_attempt_play,
  subscription: m.registry_attempt_subscription,
  control: m.registry_attempt_control,
  report: m.registry_attempt_report,
};

export interface Health {
  tone: Tone;
  words: string;
}

/** How a device is, in two words: what is wrong comes first. */
export function deviceHealth(device: Device): Health {
  if (device.retired) return { tone: 'off', words: m.registry_retired() };
  switch (device.state) {
    case 'online':
      return device.faults.length > 0
        ? { tone: 'soon', words: m.registry_online_faults() }
        : { tone: 'ok', words: m.registry_online() };
    case 'offline':
      return { tone: 'act', words: m.registry_offline() };
    case 'pending':
      return { tone: 'soon', words: m.registry_pending() };
    default:
      return { tone: 'off', words: m.registry_never() };
  }
}

export type RegistryCamera = Camera & { gone?: boolean; loss_policy?: string };

export function cameraHealth(camera: RegistryCamera): Health {
  if (camera.stage === 'retired') return { tone: 'off', words: m.registry_retired() };
  if (camera.gone) return { tone: 'soon', words: m.registry_gone() };
  if (camera.state !== 'online') return { tone: 'act', words: m.registry_offline() };
  if (camera.live.state === 'failed') return { tone: 'soon', words: m.registry_no_picture() };
  return { tone: 'ok', words: m.registry_online() };
}

/** What its picture does at the moment. */
export function liveWords(camera: Camera): string {
  switch (camera.live.state) {
    case 'live':
      return camera.live.viewers > 0 ? m.registry_live_watched({ n: camera.live.viewers }) : m.registry_live_left();
    case 'starting':
      return m.registry_live_starting();
    case 'stale':
      return camera.live.words || m.registry_live_stale();
    case 'failed':
      return camera.live.words || m.registry_no_picture();
    default:
      return m.registry_live_idle();
  }
}

/** `28 ms`, `1.4 s`; `28 毫秒`. */
export function shortSpan(ms: number): string {
  return ms < 1_000 ? `${count(Math.round(ms), language.current)} ${language.current === 'zh-CN' ? '毫秒' : 'ms'}` : duration(ms, language.current);
}

const DO: Record<string, () => string> = {
  'register.no_answer': m.registry_do_network,
  'register.connection_lost': m.registry_do_network,
  'register.expired': m.registry_do_network,
  'register.keepalive_lost': m.registry_do_network,
  'register.wrong_username': m.registry_do_username,
  'register.backing_off': m.registry_do_password,
  'register.unknown_device': m.registry_do_enter,
  'catalog.incomplete': m.registry_do_tcp,
  'catalog.no_answer': m.registry_do_tcp,
  'catalog.unreachable': m.registry_do_network,
  'catalog.refused': m.registry_do_rights,
  'play.device_offline': m.registry_do_network,
  'play.no_receiver': m.registry_do_server,
  'play.connect_failed': m.registry_do_address,
  'play.no_media': m.registry_do_address,
  'play.no_answer': m.registry_do_network,
  'play.answer_refused_media': m.registry_do_format,
  'play.answer_no_sdp': m.registry_do_format,
  'play.refused_transport': m.registry_do_tcp,
  'play.refused_credentials': m.registry_do_rights,
  'play.refused_forbidden': m.registry_do_rights,
  'play.refused_offline': m.registry_do_channel,
  'play.refused_busy': m.registry_do_busy,
  'play.refused_fault': m.registry_do_restart,
  'play.refused_other': m.registry_do_restart,
  'play.refused_dialog': m.registry_do_again,
  'play.ended_by_camera': m.registry_do_again,
};

/** What a person does about a failure; empty where the sentence of the failure says it already. */
export const remedyOf = (failure: string) => (DO[failure] ?? (() => ''))();

/** `1.2 Mbit/s`. */
export function bitrate(bps: number): string {
  return bps >= 1_000_000 ? `${(bps / 1_000_000).toFixed(1)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}
