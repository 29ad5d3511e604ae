/** Settings in the order a reader wants them: changed ones first, then by section; and what a search finds. Pure. */
import type { Setting } from '$lib/api/types';

export const isChanged = (setting: Setting): boolean => setting.source !== 'default';

export const sectionOf = (setting: Setting): string => setting.name.split('.')[0] ?? '';

export function inReadingOrder(settings: readonly Setting[]): Setting[] {
  return [...settings.filter(isChanged), ...settings.filter((setting) => !isChanged(setting))];
}

/** Every word of `text` must occur in name, value, description or unit. */
export function matching(settings: readonly Setting[], text: string): Setting[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return settings.filter((setting) => {
    const all = `${setting.name} ${String(setting.value)} ${setting.description} ${setting.unit}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
