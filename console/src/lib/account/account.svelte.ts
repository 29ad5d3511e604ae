/** The account of an alarm device as the console knows it; its id is the device's. */
import { untrack } from 'svelte';
import { api } from '$lib/api/client';
import type { Zone } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { vocabulary } from '$lib/state/vocabulary.svelte';

export interface Note {
  id: string;
  text: string;
  until: string;
  at: string;
  by: string;
}
export interface FloorPlan {
  id: string;
  name: string;
  width_px: number;
  height_px: number;
}
export interface Point {
  plan_id: string;
  x: number;
  y: number;
}
export type AccountZone = Zone & { point: Point | null };
export interface Account {
  id: string;
  name: string;
  name_en: string;
  kind: string;
  protocol: string;
  address: Record<string, string>;
  place: { id: string; name: string; name_en: string; class: string; address: string; owner: string; notes: string } | null;
  owner: string;
  access: string;
  contacts: number;
  contacts_due: number;
  passwords: number;
  notes: Note[];
  plans: FloorPlan[];
  zones: AccountZone[];
  version: number;
  retired: boolean;
}
export interface Contact {
  id: string;
  device_id: string;
  rank: number;
  name: string;
  role: string;
  phone: string;
  languages: string[];
  note: string;
  review_on: string;
  ends_on: string | null;
  version: number;
}
export interface Checked {
  result: 'right' | 'wrong' | 'duress';
  left: number;
}

export const roleOf = (role: string): string => vocabulary.say('contact_roles', role);

/** `zh-CN` and such in the reader's words. */
export function languagesOf(tags: readonly string[], locale: string): string {
  const names = new Intl.DisplayNames([locale], { type: 'language', fallback: 'code' });
  return tags.map((tag) => names.of(tag) ?? tag).join(locale === 'zh-CN' ? '、' : ', ');
}

/** The day it is here, as dates of contacts are written. */
export const today = (): string => {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
};

/** One account, read anew whenever it is told to have changed. */
export class AccountReader {
  id = $state('');
  data = $state.raw<Account | null>(null);
  error = $state.raw<unknown>(null);

  read = async (): Promise<void> => {
    const id = this.id;
    try {
      const read = await api.get<Account>(`/accounts/${id}`);
      if (id !== this.id) return;
      this.data = read;
      this.error = null;
    } catch (failure) {
      if (id === this.id && !this.data) this.error = failure;
    }
  };

  /** Follows one account; returns the stop. */
  follow(id: string): () => void {
    untrack(() => {
      if (this.id !== id) this.data = null; // read again, what is shown stays: somebody may be typing in it
      this.id = id;
      this.error = null;
      void this.read();
    });
    const offs = [
      feed.onReread(() => void this.read()),
      ...['account.changed', 'device.changed'].map((type) =>
        feed.on(type, (frame) => {
          if (frame.id === id || (frame.data as { id?: string } | undefined)?.id === id) void this.read();
        }),
      ),
    ];
    return () => offs.forEach((off) => off());
  }
}

/** The account whose page is open; its tabs read it here. */
export const account = new AccountReader();
