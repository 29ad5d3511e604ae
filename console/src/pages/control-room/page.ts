import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/',
  title: m.room_title,
  order: 1,
  needs: ['handle_incident', 'supervise_incident'],
  load: () => import('./ControlRoom.svelte'),
};
