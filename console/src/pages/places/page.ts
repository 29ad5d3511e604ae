import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/places',
  title: m.places_title,
  order: 5,
  needs: ['read_registry'],
  load: () => import('./Places.svelte'),
};
