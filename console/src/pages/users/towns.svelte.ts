/** The jurisdictions a person can be given, as an indented list. */
import { api } from '$lib/api/client';
import type { Jurisdiction } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';

export interface TreeRow {
  node: Jurisdiction;
  depth: number;
}

/** Parents before their children, siblings by code. A node whose parent is out of sight stands at the top. */
export function inTree(nodes: readonly Jurisdiction[]): TreeRow[] {
  const ids = new Set(nodes.map((node) => node.id));
  const rows: TreeRow[] = [];
  const add = (parent: string | null, depth: number) => {
    const children = nodes.filter((node) => (node.parent_id && ids.has(node.parent_id) ? node.parent_id : null) === parent);
    for (const node of children.sort((a, b) => a.code.localeCompare(b.code))) {
      rows.push({ node, depth });
      add(node.id, depth + 1);
    }
  };
  add(null, 0);
  return rows;
}

class Towns {
  rows = $state.raw<TreeRow[]>([]);
  error = $state.raw<unknown>(null);

  async read(): Promise<void> {
    try {
      this.rows = inTree((await api.list<Jurisdiction>('/jurisdictions', { limit: 500 })).items);
      this.error = null;
    } catch (error) {
      this.error = error;
    }
  }

  /** What an id is called; null for one outside the reader's area. */
  name(id: string): string | null {
    const row = this.rows.find((one) => one.node.id === id);
    return row ? language.name(row.node) : null;
  }
}

export const towns = new Towns();
