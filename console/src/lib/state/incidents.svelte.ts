/** The open incidents of this seat, kept current by the feed; the queue shows them and the loudspeaker sounds for them. */
import { api, ApiError } from '$lib/api/client';
import type { Incident, IncidentFull, IncidentState } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { loudspeaker } from '$lib/sound/sound.svelte';
import { session } from './session.svelte';
import type { ListPhase } from './list.svelte';

const ENDED: readonly IncidentState[] = ['closed', 'cancelled', 'merged'];
const PAGE = 200;
/** More open incidents than this is a flood no queue row can help with: the page says so instead. */
export const MOST_OPEN = 1000;

export const isEnded = (incident: Incident): boolean => ENDED.includes(incident.state);
export const isParked = (incident: Incident): boolean => incident.state === 'parked';

/** Priority first, then the oldest: the fixed order of the queue. */
export function inOrder(a: Incident, b: Incident): number {
  return a.priority - b.priority || a.opened_at.localeCompare(b.opened_at) || a.id.localeCompare(b.id);
}

class Incidents {
  open = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  isTooMany = $state(false);
  /** The full form of the incidents whose card was opened, by id. */
  full = $state.raw<ReadonlyMap<string, IncidentFull>>(new Map());
  #presented = new Set<string>();

  sorted = $derived([...this.open.values()].sort(inOrder));

  isMine(incident: Incident): boolean {
    return incident.owner !== null && incident.owner.user_id === session.user?.id;
  }

  isUnclaimed(incident: Incident): boolean {
    return incident.owner === null && !isParked(incident);
  }

  start(): () => void {
    const offs = [
      feed.on('incident.', (frame) => {
        if (frame.data && typeof frame.data === 'object' && 'id' in frame.data) this.take(frame.data as Incident);
      }),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    return () => {
      for (const off of offs) off();
      this.open = new Map();
      this.full = new Map();
      this.phase = 'loading';
      this.#presented.clear();
      loudspeaker.endAll();
    };
  }

  async read(): Promise<void> {
    try {
      const found = new Map<string, Incident>();
      let after: string | null = null;
      do {
        const page: { items: Incident[]; next: string | null } = await api.list<Incident>('/incidents', {
          open: true,
          limit: PAGE,
          after,
        });
        for (const incident of page.items) if (!isEnded(incident)) found.set(incident.id, incident);
        after = page.next;
      } while (after && found.size < MOST_OPEN);
      this.isTooMany = after !== null;
      // A change that came over the feed while we read may be newer than what we read.
      for (const [id, known] of this.open) {
        const read = found.get(id);
        if (read && read.version < known.version) found.set(id, known);
      }
      this.open = found;
      this.phase = 'ready';
      this.error = null;
      this.#sound();
      for (const id of this.full.keys()) void this.readFull(id).catch(() => undefined);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
      this.error = error;
      this.phase = 'failed';
    }
  }

  /** Takes a newer state of an incident, from the feed or from an answer. */
  take(incident: Incident): void {
    const known = this.open.get(incident.id);
    if (known && known.version > incident.version) return;
    const open = new Map(this.open);
    if (isEnded(incident)) open.delete(incident.id);
    else open.set(incident.id, incident);
    this.open = open;
    this.#sound();
    const full = this.full.get(incident.id);
    if (full && full.version < incident.version) void this.readFull(incident.id).catch(() => undefined);
  }

  async readFull(id: string): Promise<IncidentFull> {
    const incident = await api.get<IncidentFull>(`/incidents/${id}`);
    this.takeFull(incident);
    return incident;
  }

  takeFull(incident: IncidentFull): void {
    const known = this.full.get(incident.id);
    if (!known || known.version <= incident.version) {
      this.full = new Map(this.full).set(incident.id, incident);
    }
    this.take(incident);
  }

  forget(id: string): void {
    const full = new Map(this.full);
    full.delete(id);
    this.full = full;
  }

  /** Reports rows that were painted, once each: time stamp t4. */
  painted(ids: readonly string[]): void {
    const fresh = ids.filter((id) => !this.#presented.has(id) && !this.open.get(id)?.stamps.t4);
    if (fresh.length === 0) return;
    for (const id of fresh) this.#presented.add(id);
    feed.report({ presented: fresh });
  }

  #sound(): void {
    const isListening = session.may('handle_incident') && session.current?.on_duty === true;
    const wanted = new Set<string>();
    if (isListening) {
      for (const incident of this.open.values()) {
        if (!this.isUnclaimed(incident)) continue;
        const reason = `incident ${incident.id}`;
        wanted.add(reason);
        loudspeaker.begin(reason, incident.priority === 1 ? 'critical' : 'normal');
      }
    }
    for (const reason of loudspeaker.reasons()) {
      if (reason.startsWith('incident ') && !wanted.has(reason)) loudspeaker.end(reason);
    }
  }

  /** Sound follows duty: called when the seat goes on or off. */
  dutyChanged(): void {
    this.#sound();
  }
}

export const incidents = new Incidents();
