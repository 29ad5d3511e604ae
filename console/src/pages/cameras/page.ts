import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/cameras',
  title: m.cameras_title,
  order: 3,
  needs: ['read_registry'],
  load: () => import('./Cameras.svelte'),
};
