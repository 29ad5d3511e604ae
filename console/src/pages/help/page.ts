import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/help',
  title: m.help_title,
  order: 20,
  isInMenu: true,
  load: () => import('./Help.svelte'),
};
