/** Who is signed in, and what they may do. */
import { api, ApiError, joinClient } from '$lib/api/client';
import type { Permission, Session } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { language, type LanguageTag } from '$lib/i18n/language.svelte';
import { router } from '$lib/router.svelte';
import { recall } from './memory';

class SessionState {
  current = $state<Session | null>(null);
  /** The first question to the server has been answered. */
  isKnown = $state(false);
  /** The last page was left because the session ended, not by choice. */
  hasExpired = $state(false);

  user = $derived(this.current?.user ?? null);

  may(permission: Permission): boolean {
    return this.current?.user.permissions.includes(permission) ?? false;
  }

  /** Asks whether this browser is signed in already. */
  async resume(): Promise<void> {
    try {
      this.#open(await api.get<Session>('/session'));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
      this.current = null;
    } finally {
      this.isKnown = true;
    }
  }

  /** Errors: `unauthenticated` for wrong words, `too_many` after several tries. */
  async signIn(username: string, password: string): Promise<void> {
    this.#open(await api.post<Session>('/session', { username, password }));
    this.hasExpired = false;
  }

  async signOut(): Promise<void> {
    await api.delete('/session');
    this.#close();
    router.go('/sign-in');
  }

  /** The server no longer knows us: ask to sign in, and come back to the same place. */
  lost(): void {
    if (!this.current) return;
    this.hasExpired = true;
    this.#close();
    const place = location.pathname + location.search;
    router.go(`/sign-in?from=${encodeURIComponent(place)}`, { replace: true });
  }

  async setDuty(isOnDuty: boolean): Promise<void> {
    this.current = await api.patch<Session>('/session', { on_duty: isOnDuty });
  }

  async setLanguage(tag: LanguageTag): Promise<void> {
    language.set(tag);
    if (this.current) await api.patch<Session>('/session', { language: tag });
  }

  #open(session: Session): void {
    this.current = session;
    const kept = recall('language');
    if (!kept && (session.user.language === 'en' || session.user.language === 'zh-CN')) language.set(session.user.language);
    feed.start();
  }

  #close(): void {
    this.current = null;
    feed.stop();
  }
}

export const session = new SessionState();

feed.onSessionEnded = () => session.lost();

joinClient({
  csrf: () => session.current?.csrf ?? '',
  language: () => language.current,
  signedOut: () => session.lost(),
});
