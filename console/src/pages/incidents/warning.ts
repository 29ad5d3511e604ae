/** The words of a public warning: CAP's own values, and what this page calls them. */
import * as m from '$m';

type Words = readonly (readonly [value: string, words: () => string])[];

export const STATUSES: Words = [
  ['Draft', m.incidents_warning_draft],
  ['Exercise', m.incidents_warning_exercise],
  ['Test', m.incidents_warning_test],
  ['Actual', m.incidents_warning_actual],
];
export const KINDS: Words = [
  ['Alert', m.incidents_warning_alert],
  ['Update', m.incidents_warning_update],
  ['Cancel', m.incidents_warning_cancel],
];
export const CATEGORIES: Words = [
  ['Safety', m.incidents_warning_safety],
  ['Security', m.incidents_warning_security],
  ['Fire', m.incidents_warning_fire],
  ['Rescue', m.incidents_warning_rescue],
  ['Health', m.incidents_warning_health],
  ['Env', m.incidents_warning_env],
  ['Transport', m.incidents_warning_transport],
  ['Infra', m.incidents_warning_infra],
  ['Met', m.incidents_warning_met],
  ['Geo', m.incidents_warning_geo],
  ['CBRNE', m.incidents_warning_cbrne],
  ['Other', m.incidents_warning_other],
];
export const URGENCIES: Words = [
  ['Unknown', m.incidents_warning_unsaid],
  ['Immediate', m.incidents_warning_immediate],
  ['Expected', m.incidents_warning_expected],
  ['Future', m.incidents_warning_future],
  ['Past', m.incidents_warning_past],
];
export const SEVERITIES: Words = [
  ['Unknown', m.incidents_warning_unsaid],
  ['Extreme', m.incidents_warning_extreme],
  ['Severe', m.incidents_warning_severe],
  ['Moderate', m.incidents_warning_moderate],
  ['Minor', m.incidents_warning_minor],
];
export const CERTAINTIES: Words = [
  ['Unknown', m.incidents_warning_unsaid],
  ['Observed', m.incidents_warning_observed],
  ['Likely', m.incidents_warning_likely],
  ['Possible', m.incidents_warning_possible],
  ['Unlikely', m.incidents_warning_unlikely],
];
export const HOURS: readonly number[] = [1, 3, 6, 12, 24, 72];
