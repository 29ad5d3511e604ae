import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/zone-test',
  title: m.zonetest_title,
  isPublic: true,
  load: () => import('./ZoneTest.svelte'),
};
