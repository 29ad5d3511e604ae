/** Words of devices that depend on values. */
import * as m from '$m';
import type { Device } from '$lib/api/types';

/** A panel's account with receiver and prefix where they are set, the 20-digit id, or the address something is called at. */
export function addressOf(device: Device): string {
  const { account, prefix, receiver, gb_id, url } = device.address;
  if (gb_id || url) return gb_id || url || '';
  return [account, receiver && `R${receiver}`, prefix && `L${prefix}`].filter(Boolean).join(' ');
}

/** The fields of the device form as this page calls them, for messages of the server. */
export const labels = (): Record<string, string> => ({
  name: m.registry_name(),
  name_en: m.registry_name_en(),
  place_id: m.registry_place(),
  jurisdiction_id: m.registry_jurisdiction(),
  'address.account': m.devices_account(),
  'address.receiver': m.devices_receiver(),
  'address.prefix': m.devices_prefix(),
  'address.gb_id': m.devices_gb_id(),
  'address.topic': m.devices_message_topic(),
  'address.url': m.devices_url(),
  account: m.devices_account(),
  receiver: m.devices_receiver(),
  prefix: m.devices_prefix(),
  gb_id: m.devices_gb_id(),
  maker: m.devices_maker(),
  model: m.devices_model(),
  poll_interval_s: m.devices_poll(),
  test_interval_s: m.devices_test(),
  clock_offset_s: m.devices_clock_offset(),
});

export type KeyForm = 'key_hex' | 'key_text' | 'password';

/** What is wrong with a key before it is sent; empty when it has a right form. */
export function keyFault(form: KeyForm, value: string): string {
  if (form === 'key_hex') {
    const digits = value.replace(/\s+/g, '');
    if (!/^[0-9a-f]*$/i.test(digits)) return m.devices_key_not_hex();
    if (![32, 48, 64].includes(digits.length)) return m.devices_key_hex_length({ n: digits.length });
  }
  if (form === 'key_text') {
    // eslint-disable-next-line no-control-regex
    if (!/^[\x20-\x7e]*$/.test(value)) return m.devices_key_not_ascii();
    if (![16, 24, 32].includes(value.length)) return m.devices_key_text_length({ n: value.length });
  }
  return '';
}
