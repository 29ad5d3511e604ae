/** The words of the house that are data: causes, dispositions, reasons, purposes, unit states. Read once a session. */
import { api } from '$lib/api/client';
import type { Vocabulary, Word } from '$lib/api/types';
import { language } from '$lib/i18n/language.svelte';

class VocabularyState {
  current = $state.raw<Vocabulary | null>(null);
  #reading: Promise<void> | null = null;

  read(): Promise<void> {
    this.#reading ??= api
      .get<Vocabulary>('/words')
      .then((words) => {
        this.current = words;
      })
      .catch(() => {
        this.#reading = null;
      });
    return this.#reading;
  }

  /** The word of `key` in the page's language; the key itself when the house does not know it. */
  say(kind: keyof Vocabulary, key: string): string {
    const word = this.current?.[kind].find((one) => one.key === key);
    return word ? language.pick(word.en, word.zh) : key.replaceAll('_', ' ');
  }

  all(kind: keyof Vocabulary): Word[] {
    return this.current?.[kind] ?? [];
  }
}

export const vocabulary = new VocabularyState();
