import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/settings',
  title: m.settings_title,
  order: 9,
  needs: ['manage_settings'],
  load: () => import('./Settings.svelte'),
};
