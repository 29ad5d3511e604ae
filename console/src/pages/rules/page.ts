import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/rules',
  title: m.rules_title,
  order: 8.3,
  isInMenu: true,
  needs: ['read_incidents'],
  load: () => import('./Rules.svelte'),
};
