/** What an operator does to an incident. Each act is one request bound to the incident it was pressed for. */
import * as m from '$m';
import { api, ApiError } from '$lib/api/client';
import type { AssignmentState, IncidentFull, Verdict } from '$lib/api/types';
import { errorWords } from '$lib/api/words';
import { incidents } from '$lib/state/incidents.svelte';
import { toasts } from '$lib/state/toasts.svelte';

type Body = Record<string, unknown>;

/** The newest version this page knows; the server refuses an older one. */
function versionOf(id: string): number {
  return Math.max(incidents.full.get(id)?.version ?? 0, incidents.open.get(id)?.version ?? 0);
}

const post = (id: string, path: string, body: Body) => api.post<IncidentFull>(`/incidents/${id}/${path}`, body);

/** Runs an act; its failure is said in words and the newest state shown. Answers whether it was done. */
async function attempt(id: string, run: () => Promise<IncidentFull>): Promise<boolean> {
  try {
    incidents.takeFull(await run());
    return true;
  } catch (error) {
    const words = errorWords(error);
    toasts.say(words.what, { tone: 'act', next: words.next });
    if (error instanceof ApiError && error.status === 409) await incidents.readFull(id).catch(() => undefined);
    return false;
  }
}

const act = (id: string, path: string, body: Body) =>
  attempt(id, () => post(id, path, { version: versionOf(id), ...body }));

/** The server refused an act only because it has a newer version of the incident. */
const isStale = (error: unknown): boolean =>
  error instanceof ApiError && error.status === 409 && typeof error.params.current_version === 'number';

/**
 * A claim rests on the owner alone: refused because a newer alarm changed the incident, it is asked once more with the
 * newest version. Who owns it by now, when it is somebody else than was seen, is never relieved by that.
 */
export const claim = (id: string) =>
  attempt(id, async () => {
    const seen = (incidents.open.get(id) ?? incidents.full.get(id))?.owner?.user_id;
    try {
      return await post(id, 'claim', { version: versionOf(id) });
    } catch (error) {
      if (!isStale(error)) throw error;
      const { owner, version } = await incidents.readFull(id);
      if (owner && owner.user_id !== seen) throw error;
      return await post(id, 'claim', { version });
    }
  });

export async function release(id: string): Promise<void> {
  if (await act(id, 'release', {})) toasts.say(m.room_released(), { undo: () => void claim(id) });
}

const undo = (id: string) => void act(id, 'undo', {});

const DECIDED: Record<Exclude<Verdict, 'none'>, () => string> = {
  genuine: m.room_decided_genuine,
  false: m.room_decided_false,
  unsure: m.room_decided_unsure,
};

export async function decide(id: string, verdict: Exclude<Verdict, 'none'>, cause?: string): Promise<void> {
  const body: Body = cause ? { verdict, cause } : { verdict };
  if (await act(id, 'verdict', body)) toasts.say(DECIDED[verdict](), { undo: () => undo(id) });
}

export async function park(id: string, until: string, reason: string, clock: string): Promise<boolean> {
  const isDone = await act(id, 'park', { until, reason });
  if (isDone) toasts.say(m.room_parked_until({ at: clock }), { undo: () => undo(id) });
  return isDone;
}

export type NoteKind = 'note' | 'report' | 'under_control';

export const addNote = (id: string, text: string, kind: NoteKind) => act(id, 'notes', { text, kind });

export const finishStep = (id: string, n: number, note: string) => act(id, `steps/${n}`, { note });

/** Passes over a step that is not mandatory. */
export const skipStep = (id: string, n: number, note: string) => act(id, `steps/${n}`, { note, skip: true });

/** Sends a unit. It leaves the house: shown as sent only when the server has said so, and never undone, only recalled. */
export const send = (id: string, unitId: string) => act(id, 'assignments', { unit_id: unitId });

export const advance = (id: string, assignmentId: string, state: AssignmentState) =>
  act(id, `assignments/${assignmentId}`, { state });

export async function close(id: string, disposition: string): Promise<boolean> {
  const isDone = await act(id, 'close', { disposition });
  if (isDone) toasts.say(m.room_closed(), { tone: 'ok' });
  return isDone;
}
