/** Jurisdictions and places by id, for the names of things; read again each time a page of the registry opens. */
import { api } from '$lib/api/client';
import type { Jurisdiction, Page, Place } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';

const MOST_PLACES = 5_000;

class Registry {
  jurisdictions = $state.raw<Jurisdiction[]>([]);
  places = $state.raw<Place[]>([]);
  isRead = $state(false);
  error = $state.raw<unknown>(null);
  #places = $derived(new Map(this.places.map((one) => [one.id, one])));
  #jurisdictions = $derived(new Map(this.jurisdictions.map((one) => [one.id, one])));
  #reading: Promise<void> | null = null;

  read(): Promise<void> {
    this.#reading ??= this.#readAll().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    try {
      const [nodes, places] = await Promise.all([api.list<Jurisdiction>('/jurisdictions'), this.#readPlaces()]);
      this.jurisdictions = nodes.items;
      this.places = places;
      this.error = null;
      this.isRead = true;
    } catch (error) {
      this.error = error;
    }
  }

  async #readPlaces(): Promise<Place[]> {
    const found: Place[] = [];
    let after: string | null = null;
    do {
      const page: Page<Place> = await api.list<Place>('/places', { limit: 500, after });
      found.push(...page.items);
      after = page.next;
    } while (after && found.length < MOST_PLACES);
    return found;
  }

  place(id: string | null | undefined): Place | null {
    return (id && this.#places.get(id)) || null;
  }

  jurisdiction(id: string | null | undefined): Jurisdiction | null {
    return (id && this.#jurisdictions.get(id)) || null;
  }

  placeName(id: string | null | undefined): string {
    return language.name(this.place(id));
  }

  jurisdictionName(id: string | null | undefined): string {
    return language.name(this.jurisdiction(id));
  }

  /** How deep a node lies below those one may see. */
  depth(node: Jurisdiction): number {
    let depth = 0;
    for (let up = this.jurisdiction(node.parent_id); up; up = this.jurisdiction(up.parent_id)) depth++;
    return depth;
  }
}

export const registry = new Registry();
