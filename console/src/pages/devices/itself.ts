/** What a device says of itself, in words. */
import * as m from '$m';
import { count } from '$lib/i18n/time';

const DUTY: Record<string, (given: { n: string }) => string> = {
  ONDUTY: m.devices_duty_on,
  OFFDUTY: m.devices_duty_off,
  ALARM: m.devices_duty_alarm,
};
/** `ONDUTY=3 OFFDUTY=1` as words; empty when the device names no alarm point. */
export function dutyWords(summary: string, locale: 'en' | 'zh-CN'): string {
  const parts = summary.split(' ').flatMap((part) => {
    const [name = '', n = ''] = part.split('=');
    const words = DUTY[name];
    return words && n ? [words({ n: count(Number(n), locale) })] : [];
  });
  return parts.join(locale === 'zh-CN' ? '，' : ', ');
}

/** How far the device's clock is from ours; positive: it is ahead. */
export function clockWords(seconds: number | null): string {
  if (seconds === null) return m.devices_not_said();
  const n = Math.abs(Math.round(seconds));
  if (n < 2) return m.devices_clock_right();
  return seconds > 0 ? m.devices_clock_ahead({ n }) : m.devices_clock_behind({ n });
}

const TOPICS: readonly (readonly [string, () => string])[] = [
  ['alarm_subscription', m.devices_sub_alarm],
  ['catalog_subscription', m.devices_sub_catalog],
  ['position_subscription', m.devices_sub_position],
];
type Tone = 'ok' | 'soon' | 'off';
export function subscriptionsOf(profile: Record<string, unknown>): { name: string; words: string; tone: Tone }[] {
  return TOPICS.map(([key, name]) => {
    switch (profile[key]) {
      case 'active':
        return { name: name(), words: m.devices_sub_active(), tone: 'ok' };
      case 'wanted':
        return { name: name(), words: m.devices_sub_wanted(), tone: 'soon' };
      case 'refused':
        return { name: name(), words: m.devices_sub_refused(), tone: 'soon' };
      default:
        return { name: name(), words: m.devices_sub_none(), tone: 'off' };
    }
  });
}
