import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/wall',
  title: m.wall_title,
  order: 3.5,
  needs: ['view_live'],
  load: () => import('./WallPage.svelte'),
};
