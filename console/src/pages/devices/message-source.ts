/** A source of messages as its form holds it: two lists of pairs, one to a line, `name = value`. */
import * as m from '$m';
import type { Device } from '$lib/api/types';

export const MESSAGE_PROTOCOLS = ['webhook', 'mqtt', 'cap'] as const;
export type MessageProtocol = (typeof MESSAGE_PROTOCOLS)[number];
export const isMessage = (protocol: string): protocol is MessageProtocol => (MESSAGE_PROTOCOLS as readonly string[]).includes(protocol);
export const messageName = (protocol: MessageProtocol) =>
  ({ webhook: m.devices_what_webhook, mqtt: m.devices_what_mqtt, cap: m.devices_what_cap })[protocol]();
export const messageDeviceKind = (protocol: MessageProtocol) => (protocol === 'mqtt' ? 'sensor' : 'platform');

export interface MessageValues {
  account: string;
  topic: string;
  status_topic: string;
  url: string;
  kind: string;
  paths: string;
  codes: string;
}

const lines = (pairs: unknown) =>
  typeof pairs === 'object' && pairs !== null
    ? Object.entries(pairs)
        .map(([name, value]) => `${name} = ${String(value)}`)
        .join('\n')
    : '';
const pairsOf = (text: string) =>
  Object.fromEntries(
    text
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()] as const)
      .filter(([name, value]) => name !== '' && value !== ''),
  );
/** The number of the first line that is no pair; 0 when all are. */
export const wrongLine = (text: string) => text.split('\n').findIndex((line) => line.trim() !== '' && !/^\s*[^=\s][^=]*=\s*\S/.test(line)) + 1;

export function messageValues(device?: Device & { settings?: Record<string, unknown> }): MessageValues {
  const message = (device?.settings?.message ?? {}) as Record<string, unknown>;
  return {
    account: device?.address.account ?? '',
    topic: device?.address.topic ?? '',
    status_topic: device?.address.status_topic ?? '',
    url: device?.address.url ?? '',
    kind: typeof message.kind === 'string' ? message.kind : 'events',
    paths: lines(message.paths),
    codes: lines(message.codes),
  };
}

/** Address and settings as the server takes them. */
export function messageBody(protocol: MessageProtocol, values: MessageValues) {
  const form = { kind: values.kind, paths: pairsOf(values.paths), codes: pairsOf(values.codes) };
  if (protocol === 'cap') return { address: { url: values.url.trim() }, settings: {} };
  const name = { account: values.account.trim() };
  const topics = { topic: values.topic.trim(), status_topic: values.status_topic.trim() };
  return { address: protocol === 'mqtt' ? { ...name, ...topics } : name, settings: { message: form } };
}

export const ingestUrl = (name: string) => `${location.origin}/api/v1/ingest/${name}`;
