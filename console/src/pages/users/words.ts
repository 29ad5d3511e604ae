/** Roles, permissions and purposes in words. */
import * as m from '$m';
import type { Permission } from '$lib/api/types';
import { vocabulary } from '$lib/state/vocabulary.svelte';

const ROLE: Readonly<Record<string, readonly [() => string, () => string]>> = {
  operator: [m.audit_role_operator, m.users_role_operator_about],
  supervisor: [m.audit_role_supervisor, m.users_role_supervisor_about],
  administrator: [m.audit_role_administrator, m.users_role_administrator_about],
  installer: [m.audit_role_installer, m.users_role_installer_about],
  auditor: [m.audit_role_auditor, m.users_role_auditor_about],
};
export const ROLES: readonly string[] = Object.keys(ROLE);
export const roleName = (role: string): string => ROLE[role]?.[0]() ?? role;
export const roleAbout = (role: string): string => ROLE[role]?.[1]() ?? '';

/** In the order of the work, for the table of roles. */
export const PERMISSION: readonly (readonly [Permission, () => string])[] = [
  ['read_incidents', m.users_may_read_incidents],
  ['handle_incident', m.users_may_handle_incident],
  ['supervise_incident', m.users_may_supervise_incident],
  ['set_unit', m.users_may_set_unit],
  ['arm_device', m.users_may_arm_device],
  ['invite_test', m.users_may_invite_test],
  ['share_cameras', m.users_may_share_cameras],
  ['stop_sharing', m.users_may_stop_sharing],
  ['view_live', m.users_may_view_live],
  ['view_live_other_purpose', m.users_may_view_live_other_purpose],
  ['control_camera', m.users_may_control_camera],
  ['speak_to_camera', m.users_may_speak_to_camera],
  ['open_door', m.users_may_open_door],
  ['read_registry', m.users_may_read_registry],
  ['manage_registry', m.users_may_manage_registry],
  ['commission_camera', m.users_may_commission_camera],
  ['manage_plans', m.users_may_manage_plans],
  ['manage_users', m.users_may_manage_users],
  ['manage_settings', m.users_may_manage_settings],
  ['read_audit', m.users_may_read_audit],
];

export function purposeWords(purposes: readonly string[]): string {
  if (purposes.length === 0) return m.users_no_purpose();
  return purposes.map((one) => vocabulary.say('purposes', one)).join(m.audit_list_join());
}
