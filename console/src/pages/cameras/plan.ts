/** Recording plans as the interface tells them, their words, and a week of hours to and from windows. */
import * as m from '$m';
import type { Tone } from '$lib/ui/StateMark.svelte';

export type Mode = 'off' | 'continuous' | 'scheduled' | 'event';
export interface PlanWindow {
  days: number[];
  from: string;
  to: string;
}
export interface PlanValues {
  mode: Mode;
  stream: 'main' | 'sub';
  schedule: PlanWindow[];
  pre_s: number;
  post_s: number;
  edge_first: boolean;
  priority: number;
}
export interface RecordingPlan extends PlanValues {
  camera_id: string;
  version: number;
}
export interface RecordingStatus {
  state: 'recording' | 'waiting' | 'in_memory' | 'not_now' | 'off';
  mode: Mode;
  stream: string;
  reason: string;
  since: string | null;
  bitrate_bps: number;
  last_gap: { starts_at: string; ends_at: string | null; reason: string } | null;
}

export const MODE: Readonly<Record<Mode, () => string>> = {
  off: m.cameras_plan_off,
  continuous: m.cameras_plan_continuous,
  scheduled: m.cameras_plan_scheduled,
  event: m.cameras_plan_event,
};
export const MODE_HINT: Readonly<Record<Mode, () => string>> = {
  off: m.cameras_plan_off_hint,
  continuous: m.cameras_plan_continuous_hint,
  scheduled: m.cameras_plan_scheduled_hint,
  event: m.cameras_plan_event_hint,
};
export const STATE: Readonly<Record<RecordingStatus['state'], [Tone, () => string]>> = {
  recording: ['ok', m.cameras_plan_recording],
  waiting: ['act', m.cameras_plan_waiting],
  in_memory: ['ok', m.cameras_plan_in_memory],
  not_now: ['off', m.cameras_plan_not_now],
  off: ['off', m.cameras_plan_not_recorded],
};
const REASON: Readonly<Record<string, () => string>> = {
  source_lost: m.cameras_gap_source_lost,
  device_offline: m.cameras_gap_device_offline,
  disk_full: m.cameras_gap_disk_full,
  disk_slow: m.cameras_gap_disk_slow,
  disk_gone: m.cameras_gap_disk_gone,
  overload: m.cameras_gap_overload,
  planned: m.cameras_gap_planned,
  not_asked: m.cameras_gap_not_asked,
  restart: m.cameras_gap_restart,
  damaged: m.cameras_gap_damaged,
  no_key: m.cameras_gap_no_key,
};
export const reasonOf = (reason: string) => (REASON[reason] ?? (() => reason))();

const HOURS = 24;
const minutesOf = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
const clock = (hour: number) => `${String(hour).padStart(2, '0')}:00`;

/** The hours of the week (0 is Monday's first) a schedule touches. */
export function hoursOf(schedule: readonly PlanWindow[]): Set<number> {
  const hours = new Set<number>();
  for (const { days, from, to } of schedule) {
    const begin = minutesOf(from);
    const end = minutesOf(to) > begin ? minutesOf(to) : minutesOf(to) + HOURS * 60;
    for (const day of days) {
      for (let hour = Math.floor(begin / 60); hour < end / 60; hour += 1) hours.add(((day - 1) * HOURS + hour) % (7 * HOURS));
    }
  }
  return hours;
}
/** Whether a schedule begins and ends at full hours alone. */
export const isWhole = (schedule: readonly PlanWindow[]) => schedule.every((one) => one.from.endsWith(':00') && one.to.endsWith(':00'));

/** The windows of a set of hours; days with the same hours share one. */
export function windowsOf(hours: ReadonlySet<number>): PlanWindow[] {
  const runs = new Map<string, PlanWindow>();
  for (let day = 0; day < 7; day += 1) {
    for (let hour = 0; hour < HOURS; hour += 1) {
      if (!hours.has(day * HOURS + hour) || (hour > 0 && hours.has(day * HOURS + hour - 1))) continue;
      let end = hour;
      while (end < HOURS && hours.has(day * HOURS + end)) end += 1;
      const key = `${hour}-${end}`;
      const known = runs.get(key);
      if (known) known.days.push(day + 1);
      else runs.set(key, { days: [day + 1], from: clock(hour), to: clock(end) });
    }
  }
  return [...runs.values()];
}
