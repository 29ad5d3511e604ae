/** What may be set of how a GB/T 28181 device is treated; the first value of each is the usual one. */
import * as m from '$m';

export interface GbSettings {
  channel_status: string;
  datum: string;
  carrier: string;
  catalog_subscription: string;
  position_subscription: boolean;
  rtp_ports: string;
  voice_payload: string;
}

type Choice = readonly [value: string, words: () => string];
export const GB_CHOICES: readonly {
  name: Exclude<keyof GbSettings, 'position_subscription'>;
  label: () => string;
  hint: () => string;
  values: readonly [Choice, ...Choice[]];
}[] = [
  {
    name: 'channel_status',
    label: m.devices_gb_status,
    hint: m.devices_gb_status_hint,
    values: [
      ['believe', m.devices_gb_status_believe],
      ['check', m.devices_gb_status_check],
      ['ignore', m.devices_gb_status_ignore],
    ],
  },
  {
    name: 'datum',
    label: m.devices_gb_datum,
    hint: m.devices_gb_datum_hint,
    values: [
      ['wgs84', () => 'WGS-84'],
      ['gcj02', m.devices_gb_datum_gcj02],
    ],
  },
  {
    name: 'carrier',
    label: m.devices_gb_carrier,
    hint: m.devices_gb_carrier_hint,
    values: [
      ['', m.devices_gb_carrier_said],
      ['vehicle', m.devices_gb_carrier_vehicle],
      ['drone', m.devices_gb_carrier_drone],
      ['robot', m.devices_gb_carrier_robot],
      ['worn', m.devices_gb_carrier_worn],
    ],
  },
  {
    name: 'catalog_subscription',
    label: m.devices_gb_catalog,
    hint: m.devices_gb_catalog_hint,
    values: [
      ['auto', m.devices_gb_catalog_auto],
      ['on', m.devices_gb_on],
      ['off', m.devices_gb_off],
    ],
  },
  {
    name: 'rtp_ports',
    label: m.devices_gb_ports,
    hint: m.devices_gb_ports_hint,
    values: [
      ['auto', m.devices_gb_ports_auto],
      ['own', m.devices_gb_ports_own],
    ],
  },
  {
    name: 'voice_payload',
    label: m.devices_gb_voice,
    hint: m.devices_gb_voice_hint,
    values: [
      ['auto', m.devices_gb_voice_auto],
      ['raw', m.devices_gb_voice_raw],
      ['ps', m.devices_gb_voice_ps],
    ],
  },
];

/** The settings of a device as the form takes them; what is not set is the usual. */
export function gbSettings(given: Record<string, unknown> = {}): GbSettings {
  const found = Object.fromEntries(GB_CHOICES.map(({ name, values }) => [name, String(given[name] ?? values[0][0])]));
  return { ...(found as unknown as GbSettings), position_subscription: given.position_subscription === true };
}
