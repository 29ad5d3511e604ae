import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/retention',
  title: m.retention_title,
  order: 8.4,
  isInMenu: true,
  needs: ['read_registry'],
  load: () => import('./Retention.svelte'),
};
