/** The pages: each is a folder of `src/pages` whose `page.ts` exports `page`. A folder that is there is in the navigation. */
import type { Component } from 'svelte';
import type { Permission } from '$lib/api/types';

export interface PageProps {
  /** What follows the page's own path: `/devices/abc/zones` -> `['abc', 'zones']`. */
  rest: string[];
}

export interface PageDefinition {
  /** `/devices`; the control room is `/`. */
  path: string;
  title: () => string;
  /** Place in the navigation, from the left; none for pages reached otherwise. */
  order?: number;
  /** Hidden without one of these. */
  needs?: readonly Permission[];
  /** In the menu of the seat instead of the strip. */
  isInMenu?: boolean;
  /** Shown without a session and without the shell. */
  isPublic?: boolean;
  load: () => Promise<{ default: Component<PageProps> }>;
}

const found = import.meta.glob<{ page: PageDefinition }>('../pages/*/page.ts', { eager: true });

export const pages: readonly PageDefinition[] = Object.values(found)
  .map((module) => module.page)
  .sort((a, b) => (a.order ?? 99) - (b.order ?? 99));

export function pageAt(segments: readonly string[]): { page: PageDefinition; rest: string[] } | null {
  const [first = '', ...rest] = segments;
  const page = pages.find((one) => one.path === `/${first}`);
  return page ? { page, rest } : null;
}
