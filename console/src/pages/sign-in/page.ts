import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/sign-in',
  title: m.sign_in,
  isPublic: true,
  load: () => import('./SignIn.svelte'),
};
