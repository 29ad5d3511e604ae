/** Downloads of device recordings: what the page says of them. Pure. */
import type { LanguageTag } from '$lib/i18n/language.svelte';

export interface Download {
  id: string;
  channel: string;
  purpose: string;
  starts_at: string;
  ends_at: string;
  state: 'running' | 'finished' | 'partial' | 'failed' | 'cancelled' | 'deleted' | 'handed_over';
  reason: string;
  words: string;
  progress: number;
  left_s: number | null;
  received_bytes: number;
  told_bytes: number | null;
  is_being_taken: boolean;
  format: 'mp4' | 'bare';
  speed: number;
  codec: string;
  created_at: string;
  expires_at: string | null;
  size_bytes: number;
  sha256: string;
}

export interface DownloadChoices {
  speeds: number[];
  formats: string[];
  longest_h: number;
  at_once: number;
  running: number;
  keep_days: number;
}

const UNITS = ['kB', 'MB', 'GB'] as const;

/** `512 kB`, `1.4 GB`: decimal, as file managers say it. */
export function fileSize(bytes: number, tag: LanguageTag): string {
  let size = bytes / 1000;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  const digits = size < 10 && unit > 0 ? 1 : 0;
  return `${new Intl.NumberFormat(tag, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(size)} ${UNITS[unit]}`;
}

export const hasFile = (one: Download): boolean => one.state === 'finished' || one.state === 'partial';

/** `HH:MM:SS` of a moment, as a time field holds it. */
export function fieldTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The moment a time field names within a day; null for what is no time. */
export function momentOf(day: number, text: string): number | null {
  const found = /^(\d\d):(\d\d)(?::(\d\d))?$/.exec(text);
  return found ? new Date(day).setHours(Number(found[1]), Number(found[2]), Number(found[3] ?? 0), 0) : null;
}
