import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/health',
  title: m.health_title,
  order: 6,
  needs: ['read_registry'],
  load: () => import('./Health.svelte'),
};
