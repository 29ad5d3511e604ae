import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/incidents',
  title: m.incidents_title,
  order: 2,
  needs: ['read_incidents'],
  load: () => import('./Incidents.svelte'),
};
