/** Forms of the registry: errors of the server at their fields, and only what changed on the way there. */
import { tick } from 'svelte';
import { ApiError } from '$lib/api/client';

/** The messages by field; `labels` says what the page calls each, so that no internal name is read out. */
export function fieldErrors(error: unknown, labels: Record<string, string>): Record<string, string> {
  if (!(error instanceof ApiError)) return {};
  const found: Record<string, string> = {};
  const given = error.fields.length > 0 ? error.fields : [{ field: String(error.params.field ?? ''), message: error.detail }];
  for (const { field, message } of given) {
    if (!field || !message) continue;
    const label = labels[field];
    found[field] = label && message.startsWith(field) ? label + message.slice(field.length) : message;
  }
  return found;
}

/** The fields of `now` that differ from `before`. */
export function changes<T extends Record<string, unknown>>(before: T, now: T): Partial<T> {
  const found: Partial<T> = {};
  for (const name of Object.keys(now) as (keyof T)[]) {
    if (JSON.stringify(before[name]) !== JSON.stringify(now[name])) found[name] = now[name];
  }
  return found;
}

/** Puts the focus on the first field that is wrong. */
export async function toFirstError(form: HTMLElement | null | undefined): Promise<void> {
  await tick();
  form?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
}

/** What a number field holds; an empty one is none. */
export const numberOf = (value: number | null | undefined): number | null =>
  value === undefined || value === null || Number.isNaN(value) ? null : value;
