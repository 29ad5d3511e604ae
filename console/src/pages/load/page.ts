import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/load',
  title: m.load_title,
  order: 8.2,
  isInMenu: true,
  needs: ['read_incidents'],
  load: () => import('./Load.svelte'),
};
