import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/quarantine',
  title: m.quarantine_title,
  order: 8.2,
  isInMenu: true,
  needs: ['read_registry'],
  load: () => import('./Quarantine.svelte'),
};
