/** Many cameras at once: chosen, previewed, changed a group at a time, taken back. It outlives the page that asked. */
import { api, type Params } from '$lib/api/client';
import { askPlans, idsOf, type Asked } from './bulk-plans';

export const GROUP = 200;
export type Act = 'change' | 'commission' | 'retire' | 'plan';
export type Phase = 'idle' | 'previewing' | 'previewed' | 'doing' | 'done' | 'undoing' | 'undone';
export type Values = Record<string, unknown>;

export interface Changed {
  id: string;
  name: string;
  version: number;
  before: Values;
  after: Values;
}
export interface Refused {
  id: string;
  name: string;
  why: string;
}
export interface Answer {
  changed: Changed[];
  same: string[];
  refused: Refused[];
  next: string | null;
}

/** Which rows are chosen: some by id, or all a filter finds. */
export class Selection {
  ids = $state.raw<ReadonlySet<string>>(new Set());
  /** The filter all of whose cameras are chosen, and how many it found. */
  all = $state.raw<{ filter: Params; total: number } | null>(null);
  #anchor = 0;

  get count(): number {
    return this.all ? this.all.total : this.ids.size;
  }

  has(id: string): boolean {
    return this.all !== null || this.ids.has(id);
  }

  /** Turns one; with `between` all from the last one turned take its state. */
  turn(id: string, index: number, between: readonly { id: string }[] = []): void {
    const isOn = between.length > 0 ? true : !this.has(id);
    this.all = null;
    const ids = new Set(this.ids);
    for (const one of between.length > 0 ? between : [{ id }]) {
      if (isOn) ids.add(one.id);
      else ids.delete(one.id);
    }
    this.ids = ids;
    this.#anchor = index;
  }

  /** Where a range began. */
  get anchor(): number {
    return this.#anchor;
  }

  clear(): void {
    this.ids = new Set();
    this.all = null;
  }
}

/** The reasons of refusals with whom they concern, the most frequent first. */
export function byReason(refused: readonly Refused[]): { why: string; cameras: Refused[] }[] {
  const found = new Map<string, Refused[]>();
  for (const one of refused) found.set(one.why, [...(found.get(one.why) ?? []), one]);
  return [...found].map(([why, cameras]) => ({ why, cameras })).sort((a, b) => b.cameras.length - a.cameras.length);
}

class Bulk {
  phase = $state<Phase>('idle');
  act = $state<Act>('change');
  changes = $state.raw<Values>({});
  /** What would change, as the preview saw it. */
  seen = $state.raw<Changed[]>([]);
  same = $state(0);
  refused = $state.raw<Refused[]>([]);
  done = $state.raw<Changed[]>([]);
  at = $state(0);
  of = $state(0);
  error = $state.raw<unknown>(null);
  isHalting = $state(false);
  /** Counts what has been done and taken back: lists and trees read again. */
  turns = $state(0);

  get isBusy(): boolean {
    return this.phase === 'previewing' || this.phase === 'doing' || this.phase === 'undoing';
  }

  /** Asks what would happen; nothing is changed. */
  async preview(chosen: { ids: string[] } | { filter: Params; total: number }, act: Act, changes: Values): Promise<void> {
    this.act = act;
    this.changes = changes;
    this.seen = [];
    this.done = [];
    this.refused = [];
    this.same = 0;
    const body = { act, preview: true, ...(this.#hasChanges ? { changes } : {}) };
    const take = (answer: Answer) => {
      this.seen = this.seen.concat(answer.changed);
      this.refused = this.refused.concat(answer.refused);
      this.same += answer.same.length;
    };
    if ('ids' in chosen) {
      await this.#groups('previewing', 'previewed', chosen.ids, async (ids) => take(await this.#ask({ ...body, ids })));
      return;
    }
    await this.#run('previewing', 'previewed', chosen.total, async () => {
      if (act === 'plan') {
        const ids = await idsOf(chosen.filter, () => this.isHalting);
        for (let from = 0; from < ids.length && !this.isHalting; from += GROUP) {
          const group = ids.slice(from, from + GROUP);
          take(await this.#ask({ ...body, ids: group }));
          this.at += group.length;
        }
        return;
      }
      let after: string | null = '';
      while (after !== null && !this.isHalting) {
        const answer: Answer = await this.#ask({ ...body, filter: chosen.filter, after });
        take(answer);
        this.at += answer.changed.length + answer.refused.length + answer.same.length;
        after = answer.next;
      }
    });
  }

  /** Does what the preview showed, to the versions it saw. */
  async go(): Promise<void> {
    this.refused = [];
    this.same = 0;
    await this.#groups('doing', 'done', this.seen, async (group) => {
      const items = group.map((one) => ({
        id: one.id,
        version: one.version,
        ...(this.#hasChanges ? { changes: this.changes } : {}),
      }));
      const answer = await this.#ask({ act: this.act, items });
      this.done = this.done.concat(answer.changed);
      this.refused = this.refused.concat(answer.refused);
      this.same += answer.same.length;
    });
    this.turns++;
  }

  /** Gives back what each had; one changed since is left and named. */
  async undo(): Promise<void> {
    this.refused = [];
    const back: Changed[] = [];
    const asked = this.done;
    await this.#groups('undoing', 'undone', asked, async (group) => {
      const items = group.map((one) => ({ id: one.id, version: one.version, changes: one.before }));
      const answer = await this.#ask({ act: 'restore', items });
      back.push(...answer.changed);
      this.refused = this.refused.concat(answer.refused);
      const settled = new Set([...answer.changed.map((one) => one.id), ...answer.same, ...answer.refused.map((one) => one.id)]);
      this.done = this.done.filter((one) => !settled.has(one.id));
    });
    this.seen = back;
    this.turns++;
  }

  halt(): void {
    this.isHalting = true;
  }

  /** Back to nothing chosen to do; what was done stays done and is no longer offered to be taken back. */
  forget(): void {
    if (this.isBusy) return;
    this.phase = 'idle';
    this.seen = [];
    this.done = [];
    this.refused = [];
    this.error = null;
  }

  get #hasChanges(): boolean {
    return this.act === 'change' || this.act === 'plan';
  }

  #ask(body: Asked & Record<string, unknown>): Promise<Answer> {
    return this.act === 'plan' ? askPlans(body) : api.post<Answer>('/cameras/bulk', body);
  }

  #groups<T>(during: Phase, after: Phase, all: readonly T[], work: (group: T[]) => Promise<void>): Promise<void> {
    return this.#run(during, after, all.length, async () => {
      for (let from = 0; from < all.length && !this.isHalting; from += GROUP) {
        const group = all.slice(from, from + GROUP);
        await work(group);
        this.at += group.length;
      }
    });
  }

  async #run(during: Phase, after: Phase, of: number, work: () => Promise<void>): Promise<void> {
    this.error = null;
    this.isHalting = false;
    this.at = 0;
    this.of = of;
    this.phase = during;
    try {
      await work();
    } catch (failure) {
      this.error = failure;
    } finally {
      this.phase = after;
    }
  }
}

export const bulk = new Bulk();
