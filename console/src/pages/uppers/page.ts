import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/upper-platforms',
  title: m.uppers_title,
  order: 8.5,
  needs: ['share_cameras', 'stop_sharing'],
  isInMenu: true,
  load: () => import('./Uppers.svelte'),
};
