/** How long the parts of an incident took, from its stamps alone. Pure. */
import type { Stamp } from '$lib/api/types';

export interface StampRow extends Stamp {
  stamp: string;
  reason: string;
  withdrawn: boolean;
}

/** A `machine` wrote it; somebody's `act` on the console under the server's clock; or somebody reported or `typed` it. */
export type Hand = 'machine' | 'act' | 'typed';

/** What a crew says over the radio and an operator writes down for it. */
const REPORTED = new Set(['t10', 't11', 't12', 't13', 't14', 't15']);

export function handOf(key: string, stamp: Stamp, rows: readonly StampRow[]): Hand {
  const row = rows.find((one) => one.stamp === key && one.at === stamp.at && !one.withdrawn);
  if (row?.reason) return 'typed';
  if (stamp.source !== 'operator') return 'machine';
  return REPORTED.has(key) ? 'typed' : 'act';
}

export interface Span {
  key: 'answer' | 'verify' | 'processing' | 'sign_in' | 'travel' | 'total' | 'whole';
  from: string;
  to: string;
  /** Null while one of the two stamps is missing, or when they contradict each other. */
  ms: number | null;
  missing: string[];
  isReversed: boolean;
  /** One of its ends was reported or typed by a person. */
  isTyped: boolean;
}

const SPANS: readonly (readonly [Span['key'], string, string])[] = [
  ['answer', 't1', 't5'],
  ['verify', 't5', 't7'],
  ['processing', 't5', 't9'],
  ['sign_in', 't9', 't10'],
  ['travel', 't11', 't12'],
  ['total', 't1', 't12'],
  ['whole', 't1', 't16'],
];

export function spansOf(stamps: Record<string, Stamp>, rows: readonly StampRow[]): Span[] {
  return SPANS.map(([key, from, to]) => {
    const ends = [from, to].map((name) => ({ name, stamp: stamps[name] }));
    const missing = ends.filter((end) => !end.stamp).map((end) => end.name);
    const [start, end] = ends.map((one) => (one.stamp ? Date.parse(one.stamp.at) : Number.NaN));
    const ms = (end ?? Number.NaN) - (start ?? Number.NaN);
    return {
      key,
      from,
      to,
      ms: ms >= 0 ? ms : null,
      missing,
      isReversed: ms < 0,
      isTyped: ends.some((one) => one.stamp !== undefined && handOf(one.name, one.stamp, rows) === 'typed'),
    };
  });
}
