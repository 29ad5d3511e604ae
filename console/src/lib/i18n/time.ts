/** Times and measures in words. Every function takes the time it compares with; none reads the clock. */
import type { LanguageTag } from './language.svelte';

const formatters = new Map<string, Intl.DateTimeFormat>();

function formatter(tag: LanguageTag, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = tag + JSON.stringify(options);
  let found = formatters.get(key);
  if (!found) formatters.set(key, (found = new Intl.DateTimeFormat(tag === 'en' ? 'en-GB' : tag, options)));
  return found;
}

/** Milliseconds since 1970 of an RFC 3339 text, or null for an absent or unreadable one. */
export function toMs(at: string | null | undefined): number | null {
  if (!at) return null;
  const ms = Date.parse(at);
  return Number.isNaN(ms) ? null : ms;
}

/** `02:14:07`, local. */
export function clockTime(ms: number, tag: LanguageTag): string {
  return formatter(tag, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }).format(ms);
}

/** `22 Nov 02:14:07` or `11月22日 02:14:07`, local; with the year when it is not the year of `now`. */
export function dateTime(ms: number, now: number, tag: LanguageTag): string {
  const year = new Date(ms).getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric';
  const day = formatter(tag, { day: 'numeric', month: 'short', year }).format(ms);
  return `${day} ${clockTime(ms, tag)}`;
}

/** The time alone when it lies on the day of `now`, else with its date. */
export function shortTime(ms: number, now: number, tag: LanguageTag): string {
  return new Date(ms).toDateString() === new Date(now).toDateString() ? clockTime(ms, tag) : dateTime(ms, now, tag);
}

/** `Sun 22 Nov` or `11月22日 周日`, local. */
export function dayOf(ms: number, tag: LanguageTag): string {
  return formatter(tag, { weekday: 'short', day: 'numeric', month: 'short' }).format(ms);
}

/** `18:14:31`, UTC. */
export function utcTime(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** `2026-11-22 18:14:31.250 UTC`: for titles and details. */
export function utcFull(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23).replace('T', ' ')} UTC`;
}

/** A duration as a stopwatch shows it: `0:24`, `14:31`, `1:02:09`, `3 d 04:10`. Negative counts as none. */
export function stopwatch(ms: number, tag: LanguageTag): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const days = Math.floor(total / 86_400);
  const hours = Math.floor((total % 86_400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = total % 60;
  const two = (n: number) => String(n).padStart(2, '0');
  if (days > 0) return `${days} ${tag === 'zh-CN' ? '天' : 'd'} ${two(hours)}:${two(minutes)}`;
  if (hours > 0) return `${hours}:${two(minutes)}:${two(seconds)}`;
  return `${minutes}:${two(seconds)}`;
}

const SPANS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** `3 minutes ago`, `in 20 seconds`, `3分钟前`; whole units, rounded towards now. */
export function relative(ms: number, now: number, tag: LanguageTag): string {
  const words = new Intl.RelativeTimeFormat(tag, { numeric: 'always' });
  const span = ms - now;
  for (const [unit, size] of SPANS) {
    if (Math.abs(span) >= size || unit === 'second') return words.format(Math.trunc(span / size) || -0, unit);
  }
  return '';
}

/** `1.4 s`, `24 s`, `3 min 05 s`, `2 h 10 min`; `1.4 秒`, `3 分 05 秒`. */
export function duration(ms: number, tag: LanguageTag): string {
  const zh = tag === 'zh-CN';
  const seconds = Math.max(0, ms / 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  if (seconds < 10) return `${seconds.toFixed(1)} ${zh ? '秒' : 's'}`;
  if (seconds < 60) return `${Math.floor(seconds)} ${zh ? '秒' : 's'}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} ${zh ? '分' : 'min'} ${two(Math.floor(seconds % 60))} ${zh ? '秒' : 's'}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} ${zh ? '小时' : 'h'} ${two(minutes % 60)} ${zh ? '分' : 'min'}`;
  return `${Math.floor(hours / 24)} ${zh ? '天' : 'd'} ${hours % 24} ${zh ? '小时' : 'h'}`;
}

/** A duration somebody chose: `3 min`, `24 h`, `1 min 30 s`; no part that is nothing. */
export const setDuration = (ms: number, tag: LanguageTag): string => duration(Math.max(10_000, ms), tag).replace(/ 0?0 (s|min|h|秒|分|小时)$/, '');

/** `350 m`, `1,240 m`; `350 米`. */
export function distance(metres: number, tag: LanguageTag): string {
  return `${count(Math.round(metres), tag)} ${tag === 'zh-CN' ? '米' : 'm'}`;
}

export function count(n: number, tag: LanguageTag): string {
  return new Intl.NumberFormat(tag).format(n);
}

const COMPASS: Record<LanguageTag, readonly string[]> = {
  en: ['north', 'north-east', 'east', 'south-east', 'south', 'south-west', 'west', 'north-west'],
  'zh-CN': ['北', '东北', '东', '东南', '南', '西南', '西', '西北'],
};

/** The nearest of eight winds, degrees clockwise from north: `north-east`, `东北`. */
export function bearing(degrees: number, tag: LanguageTag): string {
  const eighth = ((Math.round(degrees / 45) % 8) + 8) % 8;
  return COMPASS[tag][eighth] ?? '';
}
