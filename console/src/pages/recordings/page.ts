import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/recordings',
  title: m.recordings_title,
  order: 3.6,
  needs: ['view_live'],
  load: () => import('./RecordingsPage.svelte'),
};
