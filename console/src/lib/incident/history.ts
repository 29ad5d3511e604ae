/** One line of an incident's history in words, from its audit record. Shared by the control room and the incident page. */
import * as m from '$m';
import type { HistoryEntry, IncidentFull } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';
import { clockTime, toMs } from '$lib/i18n/time';
import { units } from '$lib/state/units.svelte';
import { vocabulary } from '$lib/state/vocabulary.svelte';

const text = (value: unknown): string => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '');

const VERDICTS: Record<string, () => string> = {
  genuine: m.history_genuine,
  unsure: m.history_unsure,
};

const ADVANCED: Record<string, () => string> = {
  delivered: m.history_delivered,
  accepted: m.history_accepted,
  en_route: m.history_en_route,
  on_scene: m.history_on_scene,
  cleared: m.history_cleared,
  recalled: m.history_recalled,
};

const PLAIN: Record<string, () => string> = {
  'incident.opened': m.history_opened,
  'incident.presented': m.history_presented,
  'incident.first_frame': m.history_first_frame,
  'incident.released': m.history_released,
  'incident.lease_expired': m.history_lease_expired,
  'incident.note_added': m.history_note_added,
  'incident.returned': m.history_returned,
  'incident.undone': m.history_undone,
  'incident.unattended': m.history_unattended,
  'alarm.raised': m.history_alarm_raised,
  'alarm.restored': m.history_alarm_restored,
  'alarm.closed': m.history_alarm_closed,
  'view.ended': m.history_view_ended,
};

/** The action word stays as it is when this console has no sentence for it. */
export function historyWords(entry: HistoryEntry, incident: IncidentFull): string {
  const words = sentence(entry, incident);
  return entry.outcome === 'refused' ? m.history_refused({ what: words }) : words;
}

function sentence(entry: HistoryEntry, incident: IncidentFull): string {
  const action = entry.action ?? '';
  const detail = entry.detail ?? {};
  const unit =
    units.all.get(text(detail.unit_id))?.call_sign ??
    incident.assignments.find((one) => one.id === detail.assignment_id)?.unit_name ??
    '';
  const step = incident.steps.find((one) => one.n === detail.step);
  const title = step ? language.pick(step.title_en, step.title_zh) : text(detail.step);
  const at = (value: unknown): string => {
    const ms = toMs(text(value));
    return ms === null ? '' : clockTime(ms, language.current);
  };
  switch (action) {
    case 'incident.claimed':
      return detail.taken_from ? m.history_relieved() : m.history_claimed();
    case 'incident.verdict':
      return text(detail.verdict) === 'false'
        ? m.history_false({ cause: detail.cause ? vocabulary.say('false_causes', text(detail.cause)) : m.history_no_cause() })
        : (VERDICTS[text(detail.verdict)]?.() ?? action);
    case 'incident.step_done':
      return m.history_step_done({ title });
    case 'incident.step_skipped':
      return m.history_step_skipped({ title });
    case 'incident.step_overdue':
      return m.history_step_overdue({ title });
    case 'incident.unit_assigned':
      return m.history_assigned({ unit });
    case 'incident.assignment_advanced':
      return m.history_unit({ unit, state: ADVANCED[text(detail.state)]?.() ?? text(detail.state) });
    case 'incident.called':
      return m.history_called({
        n: text(detail.rank),
        role: vocabulary.say('contact_roles', text(detail.role)),
        outcome: vocabulary.say('call_outcomes', text(detail.called)),
      });
    case 'incident.parked':
      return m.history_parked({ at: at(detail.until), reason: vocabulary.say('park_reasons', text(detail.reason)) });
    case 'incident.closed':
      return m.history_closed({ disposition: vocabulary.say('dispositions', text(detail.disposition)) });
    case 'incident.reopened':
      return m.history_reopened({ reason: text(detail.reason) });
    case 'incident.stamp_corrected':
      return m.history_stamp_corrected({ stamp: text(detail.stamp), at: at(detail.corrected_to) });
    case 'view.opened':
      return m.history_view_opened({ purpose: vocabulary.say('purposes', text(detail.purpose)) });
    default:
      return PLAIN[action]?.() ?? action;
  }
}
