import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/users',
  title: m.users_title,
  order: 7,
  needs: ['manage_users'],
  load: () => import('./Users.svelte'),
};
