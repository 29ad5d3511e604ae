/** A list of the API as a page shows it: loading, loaded, failed, more to come. */
import { api, type Params } from '$lib/api/client';

export type ListPhase = 'loading' | 'ready' | 'failed';

export class List<T extends { id?: string; version?: number }> {
  items = $state.raw<T[]>([]);
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  next = $state<string | null>(null);
  isFetchingMore = $state(false);
  #path: string;
  #params: Params = {};
  #abort: AbortController | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads from the top. A newer call abandons the older one; what is shown stays until the answer is here. */
  async load(params: Params = this.#params): Promise<void> {
    const isOther = JSON.stringify(params) !== JSON.stringify(this.#params);
    this.#params = params;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    if (this.phase === 'failed' || isOther) this.phase = 'loading';
    try {
      const page = await api.list<T>(this.#path, params, abort.signal);
      this.items = page.items;
      this.next = page.next;
      this.phase = 'ready';
      this.error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      this.phase = 'failed';
    }
  }

  async more(): Promise<void> {
    if (!this.next || this.isFetchingMore) return;
    this.isFetchingMore = true;
    try {
      const page = await api.list<T>(this.#path, { ...this.#params, after: this.next });
      this.items = [...this.items, ...page.items];
      this.next = page.next;
    } catch (error) {
      this.error = error;
    } finally {
      this.isFetchingMore = false;
    }
  }

  /** Puts a newer version of a shown item in its place; leaves the list alone otherwise. */
  refresh(item: T): void {
    const at = this.items.findIndex((known) => known.id === item.id);
    const known = this.items[at];
    if (!known || (known.version ?? 0) > (item.version ?? 0)) return;
    this.items = this.items.with(at, { ...known, ...item });
  }

  stop(): void {
    this.#abort?.abort();
  }
}
