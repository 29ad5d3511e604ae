import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/deliveries',
  title: m.deliveries_title,
  order: 8.3,
  isInMenu: true,
  needs: ['read_registry'],
  load: () => import('./Deliveries.svelte'),
};
