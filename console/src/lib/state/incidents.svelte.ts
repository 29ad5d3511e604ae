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
export const MOST_OPEN = 3000;
/** What the card shows is read again no oftener than this while its incident keeps changing. */
const READ_EACH_MS = 500;

export const isEnded = (incident: Incident): boolean => ENDED.includes(incident.state);
export const isParked = (incident: Incident): boolean => incident.state === 'parked';

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Priority first, then the oldest: the fixed order of the queue. */
export function inOrder(a: Incident, b: Incident): number {
  return a.priority - b.priority || order(a.opened_at, b.opened_at) || order(a.id, b.id);
}

/** `sorted` with the `changed` ones put in their places and those no longer in `open` left out, in one pass. */
export function merged(
  sorted: readonly Incident[],
  changed: ReadonlyMap<string, Incident>,
  open: ReadonlyMap<string, Incident>,
): Incident[] {
  const coming = [...changed.values()].filter((one) => open.has(one.id)).sort(inOrder);
  const all: Incident[] = [];
  let next = 0;
  for (const one of sorted) {
    if (changed.has(one.id) || !open.has(one.id)) continue;
    for (let first = coming[next]; first && inOrder(first, one) < 0; first = coming[++next]) all.push(first);
    all.push(one);
  }
  return all.concat(coming.slice(next));
}

class Incidents {
  open = $state.raw<ReadonlyMap<string, Incident>>(new Map());
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  isTooMany = $state(false);
  /** The full form of the incidents whose card was opened, by id. */
  full = $state.raw<ReadonlyMap<string, IncidentFull>>(new Map());
  sorted = $state.raw<readonly Incident[]>([]);
  #presented = new Set<string>();
  /** The incident on the card: only its full form is kept current. */
  #onCard: string | null = null;
  /** What came over the feed while the open incidents are read. */
  #heard: Incident[] | null = null;
  #reading: ReturnType<typeof setTimeout> | undefined;

  isMine(incident: Incident): boolean {
    return incident.owner !== null && incident.owner.user_id === session.user?.id;
  }

  isUnclaimed(incident: Incident): boolean {
    return incident.owner === null && !isParked(incident);
  }

  start(): () => void {
    const offs = [
      feed.onAll('incident.', (frames) =>
        this.takeAll(
          frames.flatMap(({ data }) => (data && typeof data === 'object' && 'id' in data ? [data as Incident] : [])),
        ),
      ),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    return () => {
      for (const off of offs) off();
      clearTimeout(this.#reading);
      this.#reading = undefined;
      this.open = new Map();
      this.sorted = [];
      this.full = new Map();
      this.phase = 'loading';
      this.#presented.clear();
      loudspeaker.endAll();
    };
  }

  async read(): Promise<void> {
    const heard: Incident[] = (this.#heard = []);
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
      this.open = found;
      this.sorted = [...found.values()].sort(inOrder);
      this.phase = 'ready';
      this.error = null;
      this.#sound();
      // What came over the feed while we read may be newer than what we read.
      this.takeAll(heard.splice(0));
      if (this.#onCard !== null) this.#readCard(0);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
      this.error = error;
      this.phase = 'failed';
    } finally {
      if (this.#heard === heard) this.#heard = null;
    }
  }

  /** Takes a newer state of an incident, from an answer. */
  take(incident: Incident): void {
    this.takeAll([incident]);
  }

  /** Takes newer states of incidents, first one first; what shows them is drawn once. */
  takeAll(incidents: readonly Incident[]): void {
    this.#heard?.push(...incidents);
    const changed = new Map<string, Incident>();
    for (const incident of incidents) {
      const known = changed.get(incident.id) ?? this.open.get(incident.id);
      if (!known || known.version <= incident.version) changed.set(incident.id, incident);
    }
    if (changed.size === 0) return;
    const open = new Map(this.open);
    for (const incident of changed.values()) {
      if (isEnded(incident)) open.delete(incident.id);
      else open.set(incident.id, incident);
    }
    this.open = open;
    this.sorted = merged(this.sorted, changed, open);
    this.#sound();
    const card = this.#onCard === null ? undefined : changed.get(this.#onCard);
    const full = card && this.full.get(card.id);
    if (card && full && (full.version < card.version || full.point?.fix_at !== card.point?.fix_at)) this.#readCard(READ_EACH_MS);
  }

  /** Says which incident the card shows. */
  showCard(id: string | null): void {
    this.#onCard = id;
  }

  /** Reads the card's incident again: at once, and when it changes on, no oftener than each `rest_ms`. */
  #readCard(rest_ms: number): void {
    if (this.#reading !== undefined) return;
    const id = this.#onCard;
    if (id === null) return;
    void this.readFull(id).catch(() => undefined);
    this.#reading = setTimeout(() => {
      this.#reading = undefined;
      const card = this.#onCard;
      const [known, full] = card === null ? [] : [this.open.get(card), this.full.get(card)];
      if (known && full && full.version < known.version) this.#readCard(rest_ms);
    }, rest_ms);
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
    let [critical, normal] = [false, false];
    for (const incident of isListening ? this.sorted : []) {
      if (!this.isUnclaimed(incident)) continue;
      if (incident.priority === 1) critical = true;
      else normal = true;
    }
    if (critical) loudspeaker.begin('critical incidents', 'critical');
    if (normal) loudspeaker.begin('incidents', 'normal');
    if (!critical) loudspeaker.end('critical incidents');
    if (!normal) loudspeaker.end('incidents');
  }

  /** Sound follows duty: called when the seat goes on or off. */
  dutyChanged(): void {
    this.#sound();
  }
}

export const incidents = new Incidents();
