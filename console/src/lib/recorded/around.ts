/** Recordings around an incident: the address of the page at its time, and who may look for the incident's sake. */
import { isEnded, incidents } from '$lib/state/incidents.svelte';
import { session } from '$lib/state/session.svelte';
import type { Incident } from '$lib/api/types';

export const BEFORE_MS = 3_600_000;
export const AFTER_MS = 7_200_000;
const LEAD_MS = 10_000;

/** The address of the recordings of cameras from ten seconds before a moment, for an incident's sake. */
export const recordingsAt = (cameras: readonly string[], at: string, incident: string): string =>
  `/recordings?cameras=${cameras.join(',')}&at=${new Date(Date.parse(at) - LEAD_MS).toISOString()}&incident=${incident}`;

/** Whether the incident itself is reason enough, as it is for live pictures: open, and free or one's own. */
export function isReason(incident: Incident | null): boolean {
  if (!incident || isEnded(incident) || !session.may('view_live')) return false;
  if (session.may('supervise_incident') || incidents.isMine(incident)) return true;
  return incident.owner === null && session.current?.on_duty === true;
}
