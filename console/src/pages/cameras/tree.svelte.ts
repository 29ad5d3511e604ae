/** The tree beside the cameras: three ways to sort them, read a node at a time, open nodes remembered by the browser. */
import { api } from '$lib/api/client';
import { recall, remember } from '$lib/state/memory';

export const MODES = ['jurisdiction', 'catalog', 'groups'] as const;
export type Mode = (typeof MODES)[number];

export interface TreeNode {
  key: string;
  kind: string;
  id: string;
  name: string;
  name_en: string;
  /** The name as it is typed: in pinyin, in full and by initials. */
  spelt: string;
  total: number;
  online: number;
  leaf: boolean;
  version: number;
  may_change: boolean;
}

/** A node as it is drawn: how deep, whether open (null at leaves), its place among its siblings. */
export interface TreeRow {
  node: TreeNode;
  level: number;
  isOpen: boolean | null;
  isReading: boolean;
  at: number;
  of: number;
}

type Below = ReadonlyMap<string, readonly TreeNode[]>;
/** Nodes asked for in one request. */
const AT_ONCE = 100;

/** The rows to draw, in order: what is below open nodes follows them. */
export function rowsOf(below: Below, open: ReadonlySet<string>): TreeRow[] {
  const rows: TreeRow[] = [];
  const seen = new Set<string>();
  const walk = (key: string, level: number) => {
    const nodes = below.get(key) ?? [];
    nodes.forEach((node, n) => {
      if (seen.has(node.key)) return;
      seen.add(node.key);
      const isOpen = node.leaf ? null : open.has(node.key);
      rows.push({ node, level, isOpen, isReading: isOpen === true && !below.has(node.key), at: n + 1, of: nodes.length });
      if (isOpen) walk(node.key, level + 1);
    });
  };
  walk('', 1);
  return rows;
}

/**
 * The index of the next row one of whose spellings begins so, after one and around the end; -1 when there is none.
 * Each row has its name and its spellings.
 */
export function typedTo(names: readonly (readonly string[])[], from: number, typed: string): number {
  const wanted = typed.toLowerCase();
  const skip = wanted.length === 1 ? 1 : 0;
  for (let step = skip; step < names.length + skip; step++) {
    const at = (from + step) % names.length;
    if (names[at]?.some((name) => name.toLowerCase().startsWith(wanted))) return at;
  }
  return -1;
}

const nameOf = (mode: Mode) => `camera-tree.${mode}`;

export class Tree {
  mode = $state<Mode>('jurisdiction');
  below = $state.raw<Below>(new Map());
  open = $state.raw<ReadonlySet<string>>(new Set());
  error = $state.raw<unknown>(null);
  isRead = $state(false);
  rows = $derived(rowsOf(this.below, this.open));
  #abort = new AbortController();

  /** Begins a way of sorting, with the nodes that were open there. */
  async show(mode: Mode): Promise<void> {
    const kept = recall(nameOf(mode));
    let open: string[] | null = null;
    try {
      const parsed: unknown = kept === null ? null : JSON.parse(kept);
      if (Array.isArray(parsed)) open = parsed.filter((key): key is string => typeof key === 'string');
    } catch {
      // Somebody else wrote there: begin anew.
    }
    this.#abort.abort();
    this.#abort = new AbortController();
    this.mode = mode;
    this.below = new Map();
    this.open = new Set(open ?? []);
    this.isRead = false;
    await this.refresh();
    // The first time the highest nodes are open: one sees what there is.
    if (open === null) for (const node of this.below.get('') ?? []) if (!node.leaf) await this.turn(node.key, true);
  }

  /** Reads every open node again, in one request or few; nodes that are gone are closed. */
  async refresh(): Promise<void> {
    const { signal } = this.#abort;
    try {
      const keys = ['', ...this.open];
      const read = new Map<string, readonly TreeNode[]>();
      for (let at = 0; at < keys.length; at += AT_ONCE) {
        for (const [key, nodes] of await this.#read(keys.slice(at, at + AT_ONCE), signal)) read.set(key, nodes);
      }
      this.below = read;
      this.error = null;
      this.isRead = true;
    } catch (error) {
      if (!signal.aborted) this.error = error;
    }
  }

  async turn(key: string, isOpen: boolean): Promise<void> {
    const open = new Set(this.open);
    if (isOpen) open.add(key);
    else open.delete(key);
    this.open = open;
    remember(nameOf(this.mode), JSON.stringify([...open].slice(-200)));
    if (!isOpen || this.below.has(key)) return;
    const { signal } = this.#abort;
    try {
      const read = await this.#read([key], signal);
      this.below = new Map([...this.below, ...read]);
    } catch (error) {
      if (!signal.aborted) this.error = error;
    }
  }

  stop(): void {
    this.#abort.abort();
  }

  async #read(keys: string[], signal: AbortSignal): Promise<[string, readonly TreeNode[]][]> {
    const query = keys.map((key) => `node=${encodeURIComponent(key)}`).join('&');
    const answer = await api.get<{ below: Record<string, TreeNode[]> }>(`/camera-tree?by=${this.mode}&${query}`, undefined, signal);
    return Object.entries(answer.below);
  }
}
