/** The language of the page: kept in this browser, the browser's own at first, and on `<html lang>`. */
import { overwriteGetLocale } from '../../paraglide/runtime.js';
import { recall, remember } from '$lib/state/memory';

export type LanguageTag = 'en' | 'zh-CN';

export function chooseLanguage(kept: string | null, browser: readonly string[]): LanguageTag {
  for (const tag of [kept, ...browser]) {
    if (tag && /^zh/i.test(tag)) return 'zh-CN';
    if (tag && /^en/i.test(tag)) return 'en';
  }
  return 'en';
}

class Language {
  current = $state<LanguageTag>(
    chooseLanguage(recall('language'), typeof navigator === 'undefined' ? [] : (navigator.languages ?? [])),
  );

  set(tag: LanguageTag): void {
    this.current = tag;
    remember('language', tag);
    document.documentElement.lang = tag;
  }

  /** Of two texts the server sends, the one of the page's language; the other when that one is empty. */
  pick(english: string | null | undefined, chinese: string | null | undefined): string {
    return (this.current === 'zh-CN' ? chinese || english : english || chinese) ?? '';
  }

  /** The name of anything that carries `name` (the registry's own, Chinese) and `name_en`. */
  name(thing: { name?: string | null; name_en?: string | null } | null | undefined): string {
    return thing ? this.pick(thing.name_en, thing.name) : '';
  }
}

export const language = new Language();
overwriteGetLocale(() => language.current);
