import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/devices',
  title: m.devices_title,
  order: 4,
  needs: ['read_registry'],
  load: () => import('./Devices.svelte'),
};
