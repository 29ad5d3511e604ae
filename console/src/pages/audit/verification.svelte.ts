/** A check of the whole audit chain; it outlives a visit to the page. */
import { api } from '$lib/api/client';
import { now } from '$lib/state/now.svelte';

export interface ChainVerdict {
  holds: boolean;
  checked: number;
  /** At most 200; `seq` 0 is about the file of heads itself. */
  problems: { seq: number; what: string }[];
}

class Verification {
  isRunning = $state(false);
  began_ms = $state(0);
  ended_ms = $state(0);
  verdict = $state.raw<ChainVerdict | null>(null);
  error = $state.raw<unknown>(null);

  async run(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    this.began_ms = now.exact();
    this.error = null;
    this.verdict = null;
    try {
      this.verdict = await api.post<ChainVerdict>('/audit/verify');
    } catch (failure) {
      this.error = failure;
    } finally {
      this.ended_ms = now.exact();
      this.isRunning = false;
    }
  }
}

export const verification = new Verification();
