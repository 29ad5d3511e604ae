/** The names of the timestamps of the dispatch reference, in the order of the work. */
import * as m from '$m';
import type { Stamp } from '$lib/api/types';

const NAMES: readonly (readonly [string, () => string])[] = [
  ['t0', m.stamp_t0],
  ['t1', m.stamp_t1],
  ['t2', m.stamp_t2],
  ['t3', m.stamp_t3],
  ['t4', m.stamp_t4],
  ['t5', m.stamp_t5],
  ['t6', m.stamp_t6],
  ['t7', m.stamp_t7],
  ['t8', m.stamp_t8],
  ['t9', m.stamp_t9],
  ['t10', m.stamp_t10],
  ['t11', m.stamp_t11],
  ['t12', m.stamp_t12],
  ['t13', m.stamp_t13],
  ['t14', m.stamp_t14],
  ['t15', m.stamp_t15],
  ['t16', m.stamp_t16],
];

export interface NamedStamp extends Stamp {
  key: string;
  name: string;
}

/** The stamps an incident has, first one first. */
export function namedStamps(stamps: Record<string, Stamp>): NamedStamp[] {
  return NAMES.flatMap(([key, name]) => {
    const stamp = stamps[key];
    return stamp ? [{ ...stamp, key, name: name() }] : [];
  }).sort((a, b) => a.at.localeCompare(b.at));
}
