/** Which rows the queue shows, in which order, and which wait behind "n new". Pure. */
import type { Incident } from '$lib/api/types';

export type Tab = 'mine' | 'unclaimed' | 'parked' | 'all';

export interface QueueRows {
  shown: Incident[];
  /** Came while somebody was at the list; they wait so that nothing moves under the pointer. */
  waiting: Incident[];
}

/**
 * Splits `rows` (already in order). `known` are the ids that were on screen; while `isHeld`, others wait. The selected
 * row always stays, also when it no longer belongs to the tab.
 */
export function queueRows(
  rows: readonly Incident[],
  known: ReadonlySet<string>,
  isHeld: boolean,
  selected: Incident | null,
): QueueRows {
  const shown: Incident[] = [];
  const waiting: Incident[] = [];
  for (const row of rows) (isHeld && !known.has(row.id) && row.id !== selected?.id ? waiting : shown).push(row);
  if (selected && !shown.some((row) => row.id === selected.id)) shown.unshift(selected);
  return { shown, waiting };
}
