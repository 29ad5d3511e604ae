/** What the command line finds in the registry while one types: asked for after a pause, the newest question wins. */
import { api } from '$lib/api/client';

export interface Found {
  kind: 'camera' | 'device' | 'place';
  id: string;
  name: string;
  name_en: string;
  jurisdiction_id: string;
}

const PAUSE_MS = 150;
const MOST = 8;

export const pathOf = (found: Found): string => `/${found.kind}s/${found.id}`;

export class Finding {
  items = $state.raw<Found[]>([]);
  /** Which one Enter opens; -1 while none is chosen. */
  at = $state(-1);
  error = $state.raw<unknown>(null);
  /** The words that `items` answer. */
  answered = $state('');
  #soon: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;

  /** Looks for these words after a short pause; what was found stays until the answer is here. */
  look(text: string): void {
    const q = text.replace(/^\//, '').trim();
    clearTimeout(this.#soon);
    this.#abort?.abort();
    this.at = -1;
    if (q === '') {
      this.#show([], '', null);
      return;
    }
    this.#soon = setTimeout(() => void this.#ask(q), PAUSE_MS);
  }

  async #ask(q: string): Promise<void> {
    const abort = (this.#abort = new AbortController());
    try {
      const { items } = await api.list<Found>('/search', { q, limit: MOST }, abort.signal);
      if (!abort.signal.aborted) this.#show(items, q, null);
    } catch (error) {
      if (!abort.signal.aborted) this.#show([], q, error);
    }
  }

  #show(items: Found[], answered: string, error: unknown): void {
    this.items = items;
    this.answered = answered;
    this.error = error;
    this.at = -1;
  }

  /** Moves the choice; past either end nothing is chosen. */
  move(by: 1 | -1): void {
    const places = this.items.length + 1;
    this.at = ((this.at + 1 + by + places) % places) - 1;
  }

  get chosen(): Found | null {
    return this.items[this.at] ?? null;
  }

  stop(): void {
    this.look('');
  }
}
