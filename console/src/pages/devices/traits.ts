/** What a device may need: names, and the values people may set by hand. */
import * as m from '$m';

export const CHOICES: readonly { trait: string; setting: string; values: readonly string[] }[] = [
  { trait: 'charset', setting: 'charset', values: ['gb2312', 'gbk', 'gb18030', 'utf-8'] },
  { trait: 'sdp_variant', setting: 'sdp_variant', values: ['standard', 'wide', 'channel_origin', 'bare'] },
  { trait: 'media_ladder', setting: 'media_first', values: ['udp', 'tcp_passive', 'tcp_active'] },
  { trait: 'call_target', setting: 'call_target', values: ['channel', 'device'] },
  { trait: 'date_form', setting: 'date_form', values: ['milliseconds', 'seconds', 'none'] },
  { trait: 'signalling', setting: 'signalling', values: ['udp', 'tcp'] },
  { trait: 'record_uri', setting: 'record_uri', values: ['0', '3'] },
  { trait: 'stream_line', setting: 'stream_line', values: ['streamnumber', 'stream', 'streamprofile', 'streammode'] },
];

const NAME: Record<string, () => string> = {
  charset: m.devices_profile_charset,
  sdp_variant: m.devices_trait_sdp_variant,
  media_ladder: m.devices_profile_ladder,
  call_target: m.devices_trait_call_target,
  date_form: m.devices_trait_date_form,
  signalling: m.devices_trait_signalling,
  stream_line: m.devices_trait_stream_line,
  record_uri: m.devices_trait_record_uri,
  ssrc: m.devices_trait_ssrc,
  wire: m.devices_trait_wire,
  alarm_ways: m.devices_profile_alarm_ways,
  alarm_subscription: m.devices_profile_subscription,
};
export const traitName = (trait: string) => (NAME[trait] ?? (() => trait))();

const VALUE: Record<string, () => string> = {
  standard: m.devices_value_standard,
  wide: m.devices_value_wide,
  channel_origin: m.devices_value_channel_origin,
  bare: m.devices_value_bare,
  channel: m.devices_value_channel,
  device: m.devices_value_device,
  milliseconds: m.devices_value_milliseconds,
  seconds: m.devices_value_seconds,
  none: m.devices_value_none,
  udp: () => 'UDP',
  tcp: () => 'TCP',
  tcp_passive: m.devices_value_tcp_passive,
  tcp_active: m.devices_value_tcp_active,
  streamnumber: () => 'a=streamnumber',
  stream: () => 'a=stream',
  streamprofile: () => 'a=streamprofile',
  streammode: () => 'a=streamMode',
  '0': () => 'u=…:0',
  '3': () => 'u=…:3',
  active: m.devices_value_active,
  same: m.devices_value_same,
  other: m.devices_value_other,
};
export const choiceWords = (value: string) => (VALUE[value] ?? (() => value))();
/** A value of the matrix; a ladder is a list. */
export const valueWords = (trait: string, value: string) =>
  trait === 'media_ladder' ? value.split(',').map(choiceWords).join(' › ') : choiceWords(value);
