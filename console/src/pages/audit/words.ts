/** The audit in words: what was done, to what, by which rule it was refused, and what the details mean. */
import * as m from '$m';
import type { AuditRecord } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';
import { clockTime, count, dateTime, toMs } from '$lib/i18n/time';
import { vocabulary } from '$lib/state/vocabulary.svelte';
import { viewEndWords } from '../incidents/words';

export interface NamedThing {
  kind: string;
  name: string;
  name_en: string;
}
export type Names = Readonly<Record<string, NamedThing>>;

export const ACTION: Readonly<Record<string, () => string>> = {
  'account.changed': m.audit_account_changed,
  'account.contact_added': m.audit_account_contact_added,
  'account.contact_changed': m.audit_account_contact_changed,
  'account.contact_removed': m.audit_account_contact_removed,
  'account.contacts_ordered': m.audit_account_contacts_ordered,
  'account.contacts_read': m.audit_account_contacts_read,
  'account.exported': m.audit_account_exported,
  'account.note_added': m.audit_account_note_added,
  'account.note_changed': m.audit_account_note_changed,
  'account.note_removed': m.audit_account_note_removed,
  'account.plan_added': m.audit_account_plan_added,
  'account.plan_renamed': m.audit_account_plan_renamed,
  'account.plan_removed': m.audit_account_plan_removed,
  'account.zone_placed': m.audit_account_zone_placed,
  'account.password_added': m.audit_account_password_added,
  'account.password_removed': m.audit_account_password_removed,
  'account.password_checked': m.audit_account_password_checked,
  'incident.called': m.audit_incident_called,
  'alarm.raised': m.audit_alarm_raised,
  'alarm.restored': m.audit_alarm_restored,
  'channel.changed': m.audit_channel_changed,
  'channel.commissioned': m.audit_channel_commissioned,
  'channel.discovered': m.audit_channel_discovered,
  'channel.checked': m.audit_channel_checked,
  'channel.gone': m.audit_channel_gone,
  'channel.retired': m.audit_channel_retired,
  'channel.returned': m.audit_channel_returned,
  'channel.restored': m.audit_channel_restored,
  'recording_plan.changed': m.audit_recording_plan_changed,
  'camera_group.saved': m.audit_camera_group_saved,
  'camera_group.removed': m.audit_camera_group_removed,
  'control.taken': m.audit_control_taken,
  'control.ended': m.audit_control_ended,
  'control.rebooted': m.audit_control_rebooted,
  'control.home_set': m.audit_control_home_set,
  'speech.started': m.audit_speech_started,
  'speech.ended': m.audit_speech_ended,
  'preset.saved': m.audit_preset_saved,
  'preset.renamed': m.audit_preset_renamed,
  'preset.deleted': m.audit_preset_deleted,
  'preset.restored': m.audit_preset_restored,
  'device.added': m.audit_device_added,
  'device.changed': m.audit_device_changed,
  'terminal.answered': m.audit_terminal_answered,
  'terminal.positions_forgotten': m.audit_terminal_positions_forgotten,
  'terminal.positions_read': m.audit_terminal_positions_read,
  'terminal.registered': m.audit_terminal_registered,
  'terminal.released': m.audit_terminal_released,
  'terminal.set': m.audit_terminal_set,
  'terminal.told': m.audit_terminal_told,
  'call.rang': m.audit_call_rang,
  'call.answered': m.audit_call_answered,
  'call.ended': m.audit_call_ended,
  'call.raised': m.audit_call_raised,
  'call.door_opened': m.audit_call_door_opened,
  'call.forgotten': m.audit_call_forgotten,
  'device.guard_answered': m.audit_device_guard_answered,
  'device.guard_asked': m.audit_device_guard_asked,
  'device.key_confirmed': m.audit_device_key_confirmed,
  'device.retired': m.audit_device_retired,
  'device.profile_forgotten': m.audit_device_profile_forgotten,
  'import.begun': m.audit_import_begun,
  'import.ended': m.audit_import_ended,
  'import.undo_begun': m.audit_import_undo_begun,
  'import.undone': m.audit_import_undone,
  'zone.removed': m.audit_zone_removed,
  'profiles.imported': m.audit_profiles_imported,
  'device.secret_set': m.audit_device_secret_set,
  'incident.assignment_advanced': m.audit_incident_assignment_advanced,
  'incident.attended': m.audit_incident_attended,
  'incident.claimed': m.audit_incident_claimed,
  'incident.closed': m.audit_incident_closed,
  'incident.first_frame': m.audit_incident_first_frame,
  'incident.lease_expired': m.audit_incident_lease_expired,
  'incident.note_added': m.audit_incident_note_added,
  'incident.opened': m.audit_incident_opened,
  'incident.parked': m.audit_incident_parked,
  'incident.presented': m.audit_incident_presented,
  'incident.released': m.audit_incident_released,
  'incident.reopened': m.audit_incident_reopened,
  'incident.returned': m.audit_incident_returned,
  'incident.stamp_corrected': m.audit_incident_stamp_corrected,
  'incident.warning_exported': m.audit_incident_warning_exported,
  'incident.step_done': m.audit_incident_step_done,
  'incident.step_overdue': m.audit_incident_step_overdue,
  'incident.step_skipped': m.audit_incident_step_skipped,
  'incident.unattended': m.audit_incident_unattended,
  'incident.undone': m.audit_incident_undone,
  'incident.unit_assigned': m.audit_incident_unit_assigned,
  'incident.verdict': m.audit_incident_verdict,
  'jurisdiction.added': m.audit_jurisdiction_added,
  'jurisdiction.changed': m.audit_jurisdiction_changed,
  'notice.raised': m.audit_notice_raised,
  'notice.cleared': m.audit_notice_cleared,
  'place.added': m.audit_place_added,
  'place.changed': m.audit_place_changed,
  'place.contacts_read': m.audit_place_contacts_read,
  'place.retired': m.audit_place_retired,
  'plan.saved': m.audit_plan_saved,
  'session.duty_changed': m.audit_session_duty_changed,
  'session.signed_in': m.audit_session_signed_in,
  'session.signed_out': m.audit_session_signed_out,
  'session.token_made': m.audit_session_token_made,
  'quarantine.repaired': m.audit_quarantine_repaired,
  'quarantine.reread': m.audit_quarantine_reread,
  'quarantine.repair_undone': m.audit_quarantine_repair_undone,
  'signal.quarantined': m.audit_signal_quarantined,
  'signal.reprocessed': m.audit_signal_reprocessed,
  'signal.unprocessed': m.audit_signal_unprocessed,
  'unit.added': m.audit_unit_added,
  'unit.changed': m.audit_unit_changed,
  'upper.added': m.audit_upper_added,
  'upper.changed': m.audit_upper_changed,
  'upper.retired': m.audit_upper_retired,
  'upper.selection_set': m.audit_upper_selection_set,
  'upper.export_set': m.audit_upper_export_set,
  'upper.stopped': m.audit_upper_stopped,
  'upper.resumed': m.audit_upper_resumed,
  'upper.view_opened': m.audit_upper_view_opened,
  'upper.acted': m.audit_upper_acted,
  'user.added': m.audit_user_added,
  'user.changed': m.audit_user_changed,
  'user.disabled': m.audit_user_disabled,
  'user.enabled': m.audit_user_enabled,
  'user.password_set': m.audit_user_password_set,
  'rule.saved': m.audit_rule_saved,
  'rule.held': m.audit_rule_held,
  'rule.raised': m.audit_rule_raised,
  'rule.cancelled': m.audit_rule_cancelled,
  'rule.single': m.audit_rule_single,
  'rule.grouped': m.audit_rule_grouped,
  'rule.logged': m.audit_rule_logged,
  'rule.lowered': m.audit_rule_lowered,
  'rule.confirmed': m.audit_rule_confirmed,
  'rule.failed': m.audit_rule_failed,
  'schedule.saved': m.audit_schedule_saved,
  'schedule.removed': m.audit_schedule_removed,
  'schedule.exception_added': m.audit_schedule_exception_added,
  'schedule.exception_removed': m.audit_schedule_exception_removed,
  'schedule.found': m.audit_schedule_found,
  'schedule.failed': m.audit_schedule_failed,
  'holiday.saved': m.audit_holiday_saved,
  'holiday.removed': m.audit_holiday_removed,
  'test_link.made': m.audit_test_link_made,
  'test_link.revoked': m.audit_test_link_revoked,
  'zone_test.begun': m.audit_zone_test_begun,
  'zone_test.asked': m.audit_zone_test_asked,
  'zone_test.ended': m.audit_zone_test_ended,
  'permit.given': m.audit_permit_given,
  'permit.extended': m.audit_permit_extended,
  'permit.ended': m.audit_permit_ended,
  'permit.returned': m.audit_permit_returned,
  'permit.held': m.audit_permit_held,
  'repair.proposed': m.audit_repair_proposed,
  'repair.decided': m.audit_repair_decided,
  'recording.opened': m.audit_recording_opened,
  'retention.policy_saved': m.audit_retention_policy_saved,
  'retention.policy_removed': m.audit_retention_policy_removed,
  'retention.hold_set': m.audit_retention_hold_set,
  'retention.hold_renewed': m.audit_retention_hold_renewed,
  'retention.hold_released': m.audit_retention_hold_released,
  'recording.deleted': m.audit_recording_deleted,
  'recording.moved': m.audit_recording_moved,
  'recording.space_short': m.audit_recording_space_short,
  'recording.stopped_for_space': m.audit_recording_stopped_for_space,
  'recording.resumed_after_space': m.audit_recording_resumed_after_space,
  'download.started': m.audit_download_started,
  'download.finished': m.audit_download_finished,
  'download.partial': m.audit_download_partial,
  'download.failed': m.audit_download_failed,
  'download.cancelled': m.audit_download_cancelled,
  'download.taken': m.audit_download_taken,
  'download.handed_over': m.audit_download_handed_over,
  'download.deleted': m.audit_download_deleted,
  'snapshot.asked': m.audit_snapshot_asked,
  'snapshot.ended': m.audit_snapshot_ended,
  'snapshot.received': m.audit_snapshot_received,
  'snapshot.viewed': m.audit_snapshot_viewed,
  'snapshot.taken': m.audit_snapshot_taken,
  'snapshot.deleted': m.audit_snapshot_deleted,
  'picture.round': m.audit_picture_round,
  'picture.asked': m.audit_picture_asked,
  'picture.fault_denied': m.audit_picture_fault_denied,
  'picture.reference_renewed': m.audit_picture_reference_renewed,
  'picture.still_kept': m.audit_picture_still_kept,
  'picture.still_viewed': m.audit_picture_still_viewed,
  'picture.still_deleted': m.audit_picture_still_deleted,
  'clip.begun': m.audit_clip_begun,
  'clip.extended': m.audit_clip_extended,
  'clip.made': m.audit_clip_made,
  'clip.asked_again': m.audit_clip_asked_again,
  'clip.opened': m.audit_clip_opened,
  'clip.deleted': m.audit_clip_deleted,
  'camera.trial_begun': m.audit_camera_trial_begun,
  'camera.trial_picture': m.audit_camera_trial_picture,
  'camera.trial_ended': m.audit_camera_trial_ended,
  'camera.image_asked': m.audit_camera_image_asked,
  'camera.image_changed': m.audit_camera_image_changed,
  'device.format_asked': m.audit_device_format_asked,
  'device.upgrade_asked': m.audit_device_upgrade_asked,
  'device.act_confirmed': m.audit_device_act_confirmed,
  'device.act_withdrawn': m.audit_device_act_withdrawn,
  'device.act_answered': m.audit_device_act_answered,
  'device.config_asked': m.audit_device_config_asked,
  'device.config_answered': m.audit_device_config_answered,
  'view.opened': m.audit_view_opened,
  'view.extended': m.audit_view_extended,
  'view.renewed': m.audit_view_renewed,
  'view.streams': m.audit_view_streams,
  'layout.saved': m.audit_layout_saved,
  'layout.removed': m.audit_layout_removed,
  'view.ended': m.audit_view_ended,
  'zone.added': m.audit_zone_added,
  'zone.changed': m.audit_zone_changed,
  'zone.linked': m.audit_zone_linked,
  'device.tried': m.audit_device_tried,
  'net.searched': m.audit_net_searched,
  // A route refused before any use case was asked is kept under the permission it needs.
  handle_incident: m.audit_asked_handle_incident,
  supervise_incident: m.audit_asked_supervise_incident,
  view_live: m.audit_asked_view_live,
  control_camera: m.audit_asked_control_camera,
  speak_to_camera: m.audit_asked_speak_to_camera,
  manage_registry: m.audit_asked_manage_registry,
  manage_users: m.audit_asked_manage_users,
  manage_plans: m.audit_asked_manage_plans,
  read_audit: m.audit_asked_read_audit,
  read_registry: m.audit_asked_read_registry,
  read_incidents: m.audit_asked_read_incidents,
  manage_settings: m.audit_asked_manage_settings,
  commission_camera: m.audit_asked_commission_camera,
  set_unit: m.audit_asked_set_unit,
  arm_device: m.audit_asked_arm_device,
  invite_test: m.audit_asked_invite_test,
  share_cameras: m.audit_asked_share_cameras,
  stop_sharing: m.audit_asked_stop_sharing,
  read_contacts: m.audit_asked_read_contacts,
  manage_contacts: m.audit_asked_manage_contacts,
  note_account: m.audit_asked_note_account,
};

export const actionWords = (action: string): string => ACTION[action]?.() ?? action;

/** The families the action filter offers, by the beginning of their word. */
export const FAMILIES: readonly (readonly [string, () => string])[] = [
  ['incident.', m.audit_family_incident],
  ['alarm.', m.audit_family_alarm],
  ['view.', m.audit_family_view],
  ['recording.', m.audit_family_recording],
  ['retention.', m.audit_family_retention],
  ['download.', m.audit_family_download],
  ['snapshot.', m.audit_family_snapshot],
  ['picture.', m.audit_family_picture],
  ['clip.', m.audit_family_clip],
  ['control.', m.audit_family_control],
  ['speech.', m.audit_family_speech],
  ['call.', m.audit_family_call],
  ['preset.', m.audit_family_preset],
  ['session.', m.audit_family_session],
  ['user.', m.audit_family_user],
  ['device.', m.audit_family_device],
  ['account.', m.audit_family_account],
  ['zone.', m.audit_family_zone],
  ['channel.', m.audit_family_channel],
  ['camera_group.', m.audit_family_camera_group],
  ['place.', m.audit_family_place],
  ['jurisdiction.', m.audit_family_jurisdiction],
  ['plan.', m.audit_family_plan],
  ['unit.', m.audit_family_unit],
  ['signal.', m.audit_family_signal],
  ['rule.', m.audit_family_rule],
  ['schedule.', m.audit_family_schedule],
  ['test_link.', m.audit_family_test_link],
  ['zone_test.', m.audit_family_zone_test],
  ['permit.', m.audit_family_permit],
  ['notice.', m.audit_family_notice],
];

const SUBJECT: Readonly<Record<string, () => string>> = {
  retention_policy: m.audit_subject_retention_policy,
  recording_hold: m.audit_subject_recording_hold,
  volume: m.audit_subject_volume,
  incident: m.audit_subject_incident,
  alarm: m.audit_subject_alarm,
  view: m.audit_subject_view,
  user: m.audit_subject_user,
  session: m.audit_subject_session,
  device: m.audit_subject_device,
  account: m.audit_subject_account,
  zone: m.audit_subject_zone,
  channel: m.audit_subject_camera,
  camera: m.audit_subject_camera,
  camera_group: m.audit_subject_camera_group,
  place: m.audit_subject_place,
  jurisdiction: m.audit_subject_jurisdiction,
  plan: m.audit_subject_plan,
  rule: m.audit_subject_rule,
  repair: m.audit_subject_repair,
  test_link: m.audit_subject_test_link,
  zone_test: m.audit_subject_zone_test,
  holiday: m.audit_subject_holiday,
  unit: m.audit_subject_unit,
  call: m.audit_subject_call,
  signal_repair: m.audit_subject_signal_repair,
  signal: m.audit_subject_signal,
  notice: m.audit_subject_notice,
  audit: m.audit_subject_audit,
  download: m.audit_subject_download,
  snapshot: m.audit_subject_snapshot,
  picture_still: m.audit_subject_picture_still,
  clip: m.audit_subject_clip,
  setting: m.audit_subject_settings,
  settings: m.audit_subject_settings,
  role: m.audit_subject_roles,
  house: m.audit_subject_house,
  import: m.audit_subject_import,
  layout: m.audit_subject_layout,
  profiles: m.audit_subject_profiles,
  trial: m.audit_subject_trial,
  upper_platform: m.audit_subject_upper_platform,
};

const RULE: Readonly<Record<string, () => string>> = {
  no_permission: m.audit_rule_no_permission,
  out_of_scope: m.audit_rule_out_of_scope,
  account_disabled: m.audit_rule_account_disabled,
  purpose_missing: m.audit_rule_purpose_missing,
  purpose_not_permitted: m.audit_rule_purpose_not_permitted,
  minutes_over_limit: m.audit_rule_minutes_over_limit,
  channel_not_in_service: m.audit_rule_channel_not_in_service,
  incident_missing: m.audit_rule_incident_missing,
  incident_not_open: m.audit_rule_incident_not_open,
  channel_not_linked: m.audit_rule_channel_not_linked,
  claimed_by_other: m.audit_rule_claimed_by_other,
  off_duty: m.audit_rule_off_duty,
  no_view: m.audit_rule_no_view,
  call_missing: m.audit_rule_call_missing,
  call_over: m.audit_rule_call_over,
  'call.over': m.audit_rule_call_over,
  'call.answered_elsewhere': m.audit_rule_call_elsewhere,
  'call.not_answered': m.audit_rule_call_not_answered,
  'call.not_yours': m.audit_rule_call_not_yours,
  'call.no_code': m.audit_rule_call_no_code,
  'call.no_tones': m.audit_rule_call_no_tones,
  'call.raised': m.audit_rule_call_raised,
  'control.held': m.audit_rule_control_held,
  'speech.held': m.audit_rule_speech_held,
  'speech.device_busy': m.audit_rule_speech_device_busy,
  'control.fixed': m.audit_rule_control_fixed,
  'control.preset_is_home': m.audit_rule_preset_is_home,
  stale: m.audit_rule_stale,
  blocked: m.audit_rule_blocked,
  not_found: m.audit_rule_not_found,
  incident_closed: m.audit_rule_incident_closed,
  incident_state: m.audit_rule_incident_state,
  not_closed: m.audit_rule_not_closed,
  not_claimed: m.audit_rule_not_claimed,
  unit_not_free: m.audit_rule_unit_not_free,
  unit_state: m.audit_rule_incident_state,
  assignment_state: m.audit_rule_incident_state,
  undo_too_late: m.audit_rule_undo_too_late,
  undo_by_other: m.audit_rule_undo_by_other,
  nothing_to_undo: m.audit_rule_nothing_to_undo,
  'users.last_administrator': m.audit_rule_last_administrator,
  'users.name_taken': m.audit_rule_name_taken,
  wrong_password: m.audit_rule_wrong_password,
  unknown_user: m.audit_rule_unknown_user,
  disabled: m.audit_rule_account_disabled,
  locked: m.audit_rule_locked,
};

/** Why something was refused; the rule's own word when this console has no sentence for it. */
export const ruleWords = (rule: string): string => RULE[rule]?.() ?? (rule || m.audit_rule_unnamed());

const PAGES: Readonly<Record<string, (id: string) => string>> = {
  incident: (id) => `/incidents/${id}`,
  device: (id) => `/devices/${id}`,
  account: (id) => `/devices/${id}/account`,
  channel: (id) => `/cameras/${id}`,
  camera: (id) => `/cameras/${id}`,
  place: (id) => `/places/${id}`,
  user: (id) => `/users/${id}`,
};

export interface SubjectWords {
  kind: string;
  name: string;
  href: string | null;
}

export function subjectWords(record: AuditRecord, names: Names): SubjectWords {
  const { kind, id } = record.subject;
  const known = names[id];
  return {
    kind: SUBJECT[kind]?.() ?? kind,
    name: known ? language.name(known) : '',
    href: known && PAGES[kind] ? PAGES[kind](encodeURIComponent(id)) : null,
  };
}

const SYSTEM_ACTORS: Readonly<Record<string, () => string>> = {
  system: m.audit_actor_system,
  command: m.audit_actor_command,
  device: m.audit_actor_device,
  link: m.audit_actor_link,
};

export function actorWords(actor: AuditRecord['actor']): string {
  return actor.name || (SYSTEM_ACTORS[actor.kind]?.() ?? m.audit_actor_unknown());
}

const DETAIL: Readonly<Record<string, () => string>> = {
  rule: m.audit_detail_rule,
  code: m.audit_detail_code,
  reason: m.audit_detail_reason,
  purpose: m.audit_detail_purpose,
  channels: m.audit_detail_cameras,
  cameras: m.audit_detail_cameras,
  channel_id: m.audit_detail_cameras,
  before: m.audit_detail_before,
  incident_id: m.audit_detail_incident,
  expires_at: m.audit_detail_until,
  lease_expires_at: m.audit_detail_until,
  until: m.audit_detail_until,
  locked_until: m.audit_detail_locked_until,
  due_at: m.audit_detail_due,
  verdict: m.audit_detail_verdict,
  cause: m.audit_detail_cause,
  disposition: m.audit_detail_disposition,
  priority: m.audit_detail_priority,
  number: m.audit_detail_number,
  state: m.audit_detail_state,
  previous: m.audit_detail_previous,
  unit_id: m.audit_detail_unit,
  user_id: m.audit_detail_user,
  owner_id: m.audit_detail_user,
  taken_from: m.audit_detail_taken_from,
  device_id: m.audit_detail_device,
  place_id: m.audit_detail_place,
  moved_from: m.audit_detail_moved_from,
  jurisdiction_id: m.audit_detail_jurisdictions,
  jurisdiction_ids: m.audit_detail_jurisdictions,
  jurisdiction_ids_before: m.audit_detail_jurisdictions_before,
  roles: m.audit_detail_roles,
  roles_before: m.audit_detail_roles_before,
  changed: m.audit_detail_changed,
  step: m.audit_detail_step,
  note: m.audit_detail_note,
  by: m.audit_detail_by,
  stamp: m.audit_detail_stamp,
  corrected_to: m.audit_detail_corrected_to,
  seat: m.audit_detail_seat,
  peer: m.audit_detail_peer,
  on_duty: m.audit_detail_on_duty,
  ended_sessions: m.audit_detail_ended_sessions,
  severity: m.audit_detail_severity,
  key: m.audit_detail_key,
  source: m.audit_detail_source,
  because: m.audit_detail_reason,
  kind: m.audit_detail_kind,
  version_no: m.audit_detail_version,
  account: m.audit_detail_account,
  zone_id: m.audit_detail_zone,
  what: m.audit_detail_what,
  moves: m.audit_detail_moves,
  moved_ms: m.audit_detail_moved_ms,
  presets_called: m.audit_detail_presets_called,
  other_acts: m.audit_detail_other_acts,
  name: m.audit_detail_name,
  after_s: m.audit_detail_after_s,
  control_id: m.audit_detail_control,
  speech_id: m.audit_detail_speech,
  call_id: m.audit_subject_call,
  sos: m.audit_detail_sos,
  missed: m.audit_detail_missed,
  lasted_ms: m.audit_detail_lasted,
  view_id: m.audit_detail_view,
  starts_at: m.audit_detail_period_from,
  ends_at: m.audit_detail_period_to,
  recordings_from: m.audit_detail_period_from,
  recordings_to: m.audit_detail_period_to,
  format: m.audit_detail_format,
  speed: m.audit_detail_speed,
  size_bytes: m.audit_detail_size,
  sha256: m.audit_detail_sha256,
  count: m.audit_detail_wanted,
  received: m.audit_detail_received,
  result: m.audit_detail_state,
};

const ROLE: Readonly<Record<string, () => string>> = {
  operator: m.audit_role_operator,
  supervisor: m.audit_role_supervisor,
  administrator: m.audit_role_administrator,
  installer: m.audit_role_installer,
  auditor: m.audit_role_auditor,
};
export const roleWords = (role: string): string => ROLE[role]?.() ?? role;

const VERDICT: Readonly<Record<string, () => string>> = {
  genuine: m.audit_verdict_genuine,
  false: m.audit_verdict_false,
  unsure: m.audit_verdict_unsure,
};

/** Why control of a camera ended. */
const CONTROL_END: Readonly<Record<string, () => string>> = {
  released: m.audit_control_released,
  taken_over: m.audit_control_taken_over,
  unused: m.audit_control_unused,
  view_ended: m.audit_control_view_ended,
  connection_lost: m.audit_control_connection_lost,
  restarted: m.audit_control_restarted,
  stopped: m.audit_control_restarted,
};

const STATE: Readonly<Record<string, () => string>> = { ready: m.audit_state_ready, partial: m.audit_state_partial, failed: m.audit_state_failed };

/** How the value of a detail reads, by the name of the detail. */
const VALUE: Readonly<Record<string, (value: string) => string>> = {
  rule: ruleWords,
  purpose: (value) => vocabulary.say('purposes', value),
  cause: (value) => vocabulary.say('false_causes', value),
  disposition: (value) => vocabulary.say('dispositions', value),
  verdict: (value) => VERDICT[value]?.() ?? value,
  roles: roleWords,
  roles_before: roleWords,
  state: (value) => STATE[value]?.() ?? value,
};

const IS_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const IS_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface DetailLine {
  key: string;
  label: string;
  value: string;
  /** Of use to a machine only: an id nothing is known by. */
  isId: boolean;
}

export function detailLines(record: AuditRecord, names: Names): DetailLine[] {
  const atMs = toMs(record.at) ?? 0;
  const say = (key: string, value: unknown): string => {
    if (typeof value === 'boolean') return value ? m.audit_yes() : m.audit_no();
    if (typeof value === 'number') return count(value, language.current);
    if (typeof value !== 'string') return JSON.stringify(value);
    const known = names[value];
    if (known) return language.name(known);
    const ms = IS_TIME.test(value) ? toMs(value) : null;
    if (ms !== null) return new Date(ms).toDateString() === new Date(atMs).toDateString() ? clockTime(ms, language.current) : dateTime(ms, atMs, language.current);
    if (key === 'reason' && record.action === 'incident.parked') return vocabulary.say('park_reasons', value);
    if (key === 'reason' && record.action === 'view.ended') return viewEndWords(value);
    if (key === 'reason' && record.action === 'control.ended') return CONTROL_END[value]?.() ?? value;
    return VALUE[key]?.(value) ?? value;
  };
  return Object.entries(record.detail).map(([key, value]) => {
    const values = Array.isArray(value) ? value : [value];
    return {
      key,
      label: DETAIL[key]?.() ?? key.replaceAll('_', ' '),
      value: values.map((one) => say(key, one)).join(m.audit_list_join()),
      isId: values.every((one) => typeof one === 'string' && IS_ID.test(one) && !names[one]),
    };
  });
}

/** What a row says beside the action: the two or three details a reader looks for first. */
const FIRST = ['rule', 'reason', 'verdict', 'cause', 'disposition', 'purpose', 'channels', 'unit_id', 'state', 'roles', 'changed', 'seat'];

export function briefly(record: AuditRecord, names: Names): string {
  const lines = detailLines(record, names).filter((line) => !line.isId && line.value !== '');
  return FIRST.flatMap((key) => lines.filter((line) => line.key === key))
    .slice(0, 3)
    .map((line) => line.value)
    .join(' · ');
}
