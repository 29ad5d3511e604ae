/** A whole list of the registry in memory, up to a bound: what a tree, a map and counts need. */
import { api, type Params } from '$lib/api/client';
import type { ListPhase } from '$lib/state/list.svelte';

/** Above this the page says so and asks to narrow the search. */
export const MOST = 2_000;
const PAGE = 500;

export class Everything<T extends { id: string; version: number }> {
  items = $state.raw<T[]>([]);
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  /** There are more than are shown. */
  isCut = $state(false);
  #path: string;
  #params: Params = {};
  #abort: AbortController | null = null;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads from the top; what is shown stays until the answer is here. A newer call abandons the older one. */
  async load(params: Params = this.#params): Promise<void> {
    this.#params = params;
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    if (this.phase === 'failed') this.phase = 'loading';
    try {
      const found: T[] = [];
      let after: string | null = null;
      do {
        const page: { items: T[]; next: string | null } = await api.list<T>(
          this.#path,
          { ...params, limit: PAGE, after },
          abort.signal,
        );
        found.push(...page.items);
        after = page.next;
      } while (after && found.length < MOST);
      this.items = found;
      this.isCut = after !== null && found.length >= MOST;
      this.phase = 'ready';
      this.error = null;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      this.phase = 'failed';
    }
  }

  /** Puts a newer version of a shown item in its place; an unknown one has the list read again shortly. */
  take(item: Partial<T> & { id?: string }): void {
    const at = this.items.findIndex((known) => known.id === item.id);
    const known = this.items[at];
    if (!known) {
      clearTimeout(this.#soon);
      this.#soon = setTimeout(() => void this.load(), 1_500);
      return;
    }
    if (known.version <= (item.version ?? known.version)) this.items = this.items.with(at, { ...known, ...item });
  }

  stop(): void {
    clearTimeout(this.#soon);
    this.#abort?.abort();
  }
}
