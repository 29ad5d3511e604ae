/** Recording plans of many cameras, asked for as other changes of many are; and what they would take of the disks. */
import { api, type Params } from '$lib/api/client';
import type { Camera } from '$lib/api/types';
import type { Answer, Changed, Values } from './bulk.svelte';
import { hoursOf, type PlanValues, type RecordingPlan } from './plan';

const PAGE = 200;
const WEEK_HOURS = 168;
/** Reckoned with where nothing is measured yet. */
const USUAL_KBPS = { main: 2000, sub: 512 } as const;

interface Done {
  changed: { camera_id: string; name: string; before: RecordingPlan; after: RecordingPlan }[];
  same: string[];
  refused: { camera_id: string; name: string; why: string }[];
}
export interface Asked {
  ids?: string[];
  items?: { id: string; version: number; changes?: Values }[];
  changes?: Values;
  preview?: boolean;
}

/** What a plan says, as it is sent. */
export const valuesOf = (plan: RecordingPlan): PlanValues => ({
  mode: plan.mode,
  stream: plan.stream,
  schedule: plan.schedule,
  pre_s: plan.pre_s,
  post_s: plan.post_s,
  edge_first: plan.edge_first,
  priority: plan.priority,
});

export async function askPlans({ ids, items, changes, preview = false }: Asked): Promise<Answer> {
  const body = ids
    ? { cameras: ids, changes, preview }
    : { items: (items ?? []).map((one) => ({ camera_id: one.id, version: one.version, changes: one.changes })), preview };
  const found = await api.post<Done>('/recording-plans/bulk', body);
  return {
    changed: found.changed.map((one) => ({
      id: one.camera_id,
      name: one.name,
      version: one.after.version,
      before: { ...valuesOf(one.before) },
      after: { ...valuesOf(one.after) },
    })),
    same: found.same,
    refused: found.refused.map((one) => ({ id: one.camera_id, name: one.name, why: one.why })),
    next: null,
  };
}

/** The cameras a filter finds. */
export async function idsOf(filter: Params, isHalting: () => boolean): Promise<string[]> {
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await api.list<Camera>('/cameras', { ...filter, limit: PAGE, ...(after ? { after } : {}) });
    found.push(...page.items.map((one) => one.id));
    after = page.next ?? undefined;
  } while (after && !isHalting());
  return found;
}

export interface Outlook {
  /** Cameras that are recorded more than before, and bytes a day for all of them. */
  more: number;
  bytes: number;
  kbps: number;
  isMeasured: boolean;
  now_days: number | null;
  days: number | null;
  meets_floors: boolean;
}
interface Status {
  state: string;
  stream: string;
  bitrate_bps: number;
}
interface Forecast {
  least_days: number | null;
  meets_floors: boolean;
}
/** The share of the week a plan records, whatever happens. */
function shareOf(plan: Values): number {
  if (plan.mode === 'continuous') return 1;
  return plan.mode === 'scheduled' ? hoursOf((plan as unknown as PlanValues).schedule).size / WEEK_HOURS : 0;
}
/** What the previewed plans would take, at the bit rates measured. Errors: what the server says. */
export async function outlookOf(seen: readonly Changed[]): Promise<Outlook | null> {
  const grown = seen.filter((one) => shareOf(one.after) > shareOf(one.before));
  if (grown.length === 0) return null;
  const now = await api.get<Forecast>('/retention/forecast');
  const stream = grown[0]?.after.stream === 'sub' ? 'sub' : 'main';
  const status = await api.list<Status>('/recording-status', { limit: PAGE });
  const rates = status.items.filter((one) => one.stream === stream && one.bitrate_bps > 0).map((one) => one.bitrate_bps / 1000);
  const isMeasured = rates.length > 0;
  const kbps = isMeasured ? rates.reduce((a, b) => a + b, 0) / rates.length : USUAL_KBPS[stream];
  const share = grown.reduce((sum, one) => sum + shareOf(one.after) - shareOf(one.before), 0) / grown.length;
  const then = await api.get<Forecast>('/retention/forecast', {
    add_cameras: grown.length,
    add_kbps: Math.min(200_000, Math.max(16, Math.round(kbps * share))),
  });
  return {
    more: grown.length,
    bytes: (grown.length * kbps * share * 1000 * 86_400) / 8,
    kbps,
    isMeasured,
    now_days: now.least_days,
    days: then.least_days,
    meets_floors: then.meets_floors,
  };
}
