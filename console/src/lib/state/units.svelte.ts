/** The units of this seat's jurisdictions, kept current by the feed. */
import { api } from '$lib/api/client';
import type { Page, Unit } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import type { ListPhase } from './list.svelte';

const ASSIGNABLE = new Set(['available', 'reserved', 'busy_interruptible']);

/** Free to be sent: what the server would accept too. */
export const isFree = (unit: Unit): boolean => unit.incident_id === null && ASSIGNABLE.has(unit.state);

class Units {
  all = $state.raw<ReadonlyMap<string, Unit>>(new Map());
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  list = $derived([...this.all.values()]);

  /** Reads and follows the units while a page shows them; returns the stop. */
  follow(): () => void {
    const offs = [
      feed.onAll('unit.changed', (frames) =>
        this.takeAll(
          frames.flatMap(({ data }) => (data && typeof data === 'object' && 'id' in data ? [data as Unit] : [])),
        ),
      ),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    return () => {
      for (const off of offs) off();
    };
  }

  async read(): Promise<void> {
    try {
      const found = new Map<string, Unit>();
      let after: string | null = null;
      do {
        const page: Page<Unit> = await api.list<Unit>('/units', { limit: 200, after });
        for (const unit of page.items) found.set(unit.id, unit);
        after = page.next;
      } while (after && found.size < 2000);
      this.all = found;
      this.phase = 'ready';
      this.error = null;
    } catch (error) {
      this.error = error;
      this.phase = 'failed';
    }
  }

  take(unit: Unit): void {
    this.takeAll([unit]);
  }

  takeAll(units: readonly Unit[]): void {
    const all = new Map(this.all);
    for (const unit of units) {
      const known = all.get(unit.id);
      // A movement carries no new version: the same one still brings a newer fix.
      if (!known || known.version <= unit.version) all.set(unit.id, { ...known, ...unit });
    }
    this.all = all;
  }

  async setState(unit: Unit, state: string, reason = ''): Promise<void> {
    this.take(await api.patch<Unit>(`/units/${unit.id}`, { state, reason, version: unit.version }));
  }
}

export const units = new Units();
