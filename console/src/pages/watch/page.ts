import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/watch',
  title: m.watch_title,
  order: 8.1,
  isInMenu: true,
  needs: ['read_registry'],
  load: () => import('./Watch.svelte'),
};
