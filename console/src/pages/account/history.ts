/** What a line of the history says beside the act: never a name or a number, the audit holds none. */
import * as m from '$m';
import { roleOf } from '$lib/account/account.svelte';

const RESULT: Readonly<Record<string, () => string>> = {
  right: m.account_result_right,
  wrong: m.account_result_wrong,
  duress: m.account_result_duress,
  closed: m.account_result_closed,
};
const WHY: Readonly<Record<string, () => string>> = {
  by_hand: m.account_why_by_hand,
  ended: m.account_why_ended,
  retired: m.account_why_retired,
  undone: m.account_why_undone,
  replaced: m.account_why_replaced,
};
const FIELD: Readonly<Record<string, () => string>> = {
  owner: m.account_owner,
  access: m.account_access,
  name: m.account_name,
  role: m.account_role,
  phone: m.account_phone,
  languages: m.account_languages,
  note: m.account_contact_note,
  review_on: m.account_review,
  ends_on: m.account_ends_on,
};

export function detailOf(action: string, detail: Record<string, unknown>): string {
  if (!action.startsWith('account.')) return '';
  const text = (name: string) => (typeof detail[name] === 'string' ? String(detail[name]) : '');
  const changed = Array.isArray(detail['changed']) ? detail['changed'].map((one) => FIELD[String(one)]?.() ?? String(one)) : [];
  return [
    text('role') && roleOf(text('role')),
    typeof detail['rank'] === 'number' ? m.account_detail_rank({ n: detail['rank'] }) : '',
    ...changed,
    text('zone') && m.account_detail_zone({ number: text('zone') }),
    text('result') && (RESULT[text('result')]?.() ?? text('result')),
    text('why') && (WHY[text('why')]?.() ?? text('why')),
    text('incident_id') && m.account_for_incident(),
  ]
    .filter(Boolean)
    .join(' · ');
}
