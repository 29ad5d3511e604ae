/** What is recorded of a camera, as the server tells it, and as rows of a timeline. */
import * as m from '$m';
import { api } from '$lib/api/client';
import type { LanguageTag } from '$lib/i18n/language.svelte';
import { clockTime } from '$lib/i18n/time';
import { session } from '$lib/state/session.svelte';
import type { Which } from './source';
import type { TimeSpan } from '$lib/timeline/Timeline.svelte';

export interface Recordings {
  state: 'searching' | 'whole' | 'partial' | 'failed';
  progress: number;
  spans: { source: 'house' | 'device'; stream: string; starts_at: string; ends_at: string; kind: string }[];
  gaps: { stream: string; starts_at: string; ends_at: string | null; reason: string; words: string }[];
  marks: { kind: 'alarm' | 'hold'; starts_at: string; ends_at: string; words: string; incident_id: string }[];
  files: number;
  words: string;
}

export const readRecordings = (
  camera: string,
  from_ms: number,
  to_ms: number,
  source: 'all' | 'house' | 'device',
  isAgain = false,
): Promise<Recordings> =>
  api.get<Recordings>(`/cameras/${camera}/recordings`, {
    from: new Date(from_ms).toISOString(),
    to: new Date(to_ms).toISOString(),
    source: source === 'all' ? undefined : source,
    again: isAgain ? 'true' : undefined,
  });

/** The stream there are recordings of: the main one where both were recorded, or neither. */
export const streamIn = (found: Recordings): Which =>
  found.spans.some((one) => one.source === 'house' && one.stream === 'sub') && !found.spans.some((one) => one.stream === 'main') ? 'sub' : 'main';

/** The rows' spans: ours and the device's, gaps with their reason, alarms and holds. A gap that lasts reaches to `now_ms`. */
export function spansOf(found: Recordings, stream: string, now_ms: number, tag: LanguageTag): TimeSpan[] {
  const between = (from: number, to: number) => `${clockTime(from, tag)} – ${clockTime(to, tag)}`;
  const spans: TimeSpan[] = [];
  for (const one of found.spans) {
    const [from_ms, to_ms] = [Date.parse(one.starts_at), Date.parse(one.ends_at)];
    if (one.source === 'house') {
      if (one.stream === stream) spans.push({ from_ms, to_ms, kind: 'house', title: m.timeline_house({ when: between(from_ms, to_ms) }) });
    } else if (one.kind === 'alarm') spans.push({ from_ms, to_ms, kind: 'device-alarm', title: m.timeline_device_alarm({ when: between(from_ms, to_ms) }) });
    else spans.push({ from_ms, to_ms, kind: 'device', title: m.timeline_device({ when: between(from_ms, to_ms) }) });
  }
  for (const one of found.gaps) {
    if (one.stream !== stream) continue;
    const from_ms = Date.parse(one.starts_at);
    const to_ms = one.ends_at === null ? now_ms : Date.parse(one.ends_at);
    spans.push({ from_ms, to_ms, kind: 'gap', title: m.timeline_gap({ when: between(from_ms, to_ms), why: one.words }) });
  }
  for (const one of found.marks) {
    const [from_ms, to_ms] = [Date.parse(one.starts_at), Date.parse(one.ends_at)];
    if (one.kind === 'hold') spans.push({ from_ms, to_ms, kind: 'hold', title: m.timeline_hold({ when: between(from_ms, to_ms), why: one.words }) });
    else {
      const title = m.timeline_alarm({ at: clockTime(from_ms, tag), what: one.words });
      const mayOpen = one.incident_id !== '' && session.may('read_incidents');
      spans.push({ from_ms, to_ms: from_ms, kind: 'alarm', title, ...(mayOpen ? { href: `/incidents/${one.incident_id}` } : {}) });
    }
  }
  return spans;
}
