/** A long list of the API of which only what is in view is read: marks say how long it is and where each page begins. */
import { api, type Params } from '$lib/api/client';
import type { Page } from '$lib/api/types';
import type { ListPhase } from '$lib/state/list.svelte';

/** Rows of a page. */
export const PAGE = 100;
/** Pages kept; those farthest from the view go first. */
const KEPT = 40;
/** How soon a list is counted again after something came that it does not show. */
const RECOUNT_MS = 5_000;
/** Rows read at most for one choice from here to there. */
export const MOST_RANGE = 5_000;

interface Marks {
  total: number;
  online: number;
  cursors: string[];
}

export class Windowed<T extends { id: string; version: number }> {
  total = $state(0);
  online = $state(0);
  phase = $state<ListPhase>('loading');
  error = $state.raw<unknown>(null);
  pages = $state.raw<ReadonlyMap<number, readonly T[]>>(new Map());
  /** What has been read, in order. */
  items = $derived([...this.pages.keys()].sort((a, b) => a - b).flatMap((page) => this.pages.get(page) ?? []));
  #paths: { list: string; marks: string };
  #params: Params = {};
  #cursors: string[] = [''];
  #first = 0;
  #last = 0;
  #abort = new AbortController();
  #isPumping = false;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #counted_ms = 0;

  constructor(list: string, marks: string) {
    this.#paths = { list, marks };
  }

  get params(): Params {
    return this.#params;
  }

  /** Counts and reads what is in view; what is shown stays until the answer is here. A newer call abandons the older. */
  async load(params: Params = this.#params): Promise<void> {
    const isOther = JSON.stringify(params) !== JSON.stringify(this.#params);
    this.#params = params;
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (this.phase === 'failed' || isOther) this.phase = 'loading';
    try {
      const counting = api.get<Marks>(this.#paths.marks, { ...params, size: PAGE }, signal);
      // Where the first page begins is known without the marks.
      const head = this.#first < PAGE ? this.#read(0, signal) : null;
      head?.catch(() => undefined); // told below, unless the marks have failed before
      const marks = await counting;
      this.#cursors = ['', ...marks.cursors];
      const wanted = this.#inView();
      const read = await Promise.all(
        wanted.map(async (page) => [page, (await (page === 0 && head ? head : this.#read(page, signal))).items] as const),
      );
      this.pages = new Map(read);
      this.total = marks.total;
      this.online = marks.online;
      this.phase = 'ready';
      this.error = null;
      this.#counted_ms = Date.now();
      void this.#pump();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.phase = 'failed';
    }
  }

  /** Says which rows are in view; what is missing of them is read. */
  show(first: number, last: number): void {
    this.#first = first;
    this.#last = last;
    void this.#pump();
  }

  /** Reads again what is in view, without a word when it cannot: the feed says how current the page is. */
  async refresh(): Promise<void> {
    if (this.phase !== 'ready') return;
    const { signal } = this.#abort;
    try {
      for (const page of this.#inView()) {
        const read = await this.#read(page, signal);
        if (signal.aborted) return;
        this.#keep(page, read.items);
        const expected = this.#cursors[page + 1] ?? null;
        if (read.next !== expected) this.#recount();
      }
    } catch {
      // The next one will.
    }
  }

  /** Puts a newer version of a row in its place; one that is not read may change how many there are. */
  take(item: Partial<T> & { id?: string }): void {
    for (const [page, rows] of this.pages) {
      const at = rows.findIndex((known) => known.id === item.id);
      const known = rows[at];
      if (!known) continue;
      if (known.version <= (item.version ?? known.version)) this.#keep(page, rows.with(at, { ...known, ...item }));
      return;
    }
    this.#recount();
  }

  at(index: number): T | undefined {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** The rows from one to another, read if need be; none when there are more than `MOST_RANGE`. */
  async range(from: number, to: number): Promise<T[]> {
    const [low, high] = from < to ? [from, to] : [to, from];
    if (high - low >= MOST_RANGE) return [];
    const found: T[] = [];
    for (let page = Math.floor(low / PAGE); page <= Math.floor(high / PAGE); page++) {
      const rows = this.pages.get(page) ?? (await this.#read(page, this.#abort.signal)).items;
      found.push(...rows.slice(Math.max(0, low - page * PAGE), high - page * PAGE + 1));
    }
    return found;
  }

  stop(): void {
    clearTimeout(this.#soon);
    this.#abort.abort();
  }

  #recount(): void {
    const wait = Math.max(1_000, RECOUNT_MS - (Date.now() - this.#counted_ms));
    this.#soon ??= setTimeout(() => void this.load(), wait);
  }

  #inView(): number[] {
    const last = this.#cursors.length - 1;
    const from = Math.min(Math.floor(this.#first / PAGE), last);
    const to = Math.min(Math.floor(this.#last / PAGE), last);
    return Array.from({ length: to - from + 1 }, (_, n) => from + n);
  }

  async #pump(): Promise<void> {
    if (this.#isPumping || this.phase !== 'ready') return;
    this.#isPumping = true;
    const { signal } = this.#abort;
    try {
      // Asked anew each time: while one page was read the view may have gone on.
      for (;;) {
        const page = this.#inView().find((one) => !this.pages.has(one));
        if (page === undefined || this.total === 0) break;
        const read = await this.#read(page, signal);
        if (signal.aborted) break;
        this.#keep(page, read.items);
      }
    } catch (error) {
      if (!signal.aborted) {
        this.error = error;
        this.phase = 'failed';
      }
    } finally {
      this.#isPumping = false;
    }
    if (signal.aborted && !this.#abort.signal.aborted) void this.#pump();
  }

  #read(page: number, signal: AbortSignal): Promise<Page<T>> {
    return api.list<T>(this.#paths.list, { ...this.#params, limit: PAGE, after: this.#cursors[page] }, signal);
  }

  #keep(page: number, rows: readonly T[]): void {
    const pages = new Map(this.pages).set(page, rows);
    if (pages.size > KEPT) {
      const middle = Math.floor((this.#first + this.#last) / 2 / PAGE);
      const [farthest] = [...pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
      if (farthest !== undefined) pages.delete(farthest);
    }
    this.pages = pages;
  }
}
