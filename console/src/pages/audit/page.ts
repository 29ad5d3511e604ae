import * as m from '$m';
import type { PageDefinition } from '$lib/pages';

export const page: PageDefinition = {
  path: '/audit',
  title: m.audit_title,
  order: 8,
  needs: ['read_audit'],
  load: () => import('./Audit.svelte'),
};
