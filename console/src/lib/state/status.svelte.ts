/** The state of the house for the strip: read each 10 s, and at once when the feed names a change. */
import { api } from '$lib/api/client';
import type { Status } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { now } from './now.svelte';

const EACH_MS = 10_000;
/** In a storm of changes no oftener than this, and never put off by the next one. */
const SOONEST_MS = 2_000;
const SOON_MS = 300;

class StatusState {
  current = $state<Status | null>(null);
  auditHead = $state<{ seq: number; at: string } | null>(null);

  start(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isStopped = false;
    let [asked_ms, due_ms] = [0, 0];
    const plan = (rest_ms: number) => {
      clearTimeout(timer);
      due_ms = performance.now() + rest_ms;
      timer = setTimeout(() => void read(), rest_ms);
    };
    const read = async () => {
      clearTimeout(timer);
      asked_ms = performance.now();
      due_ms = Number.POSITIVE_INFINITY;
      try {
        const status = await api.get<Status>('/status');
        if (isStopped) return;
        now.heardServer(status.server_time);
        this.current = status;
        if (status.audit_head && status.audit_head.seq >= (this.auditHead?.seq ?? 0)) this.auditHead = status.audit_head;
      } catch {
        // The feed shows that the server is away; the strip keeps its last values, greyed.
      }
      if (!isStopped && due_ms === Number.POSITIVE_INFINITY) plan(EACH_MS);
    };
    const soon = () => {
      const rest_ms = Math.max(SOON_MS, asked_ms + SOONEST_MS - performance.now());
      if (performance.now() + rest_ms < due_ms) plan(rest_ms);
    };
    const offs = [
      feed.onAll('notice.', soon),
      feed.onAll('alarm.raised', soon),
      feed.on('audit.head', (frame) => {
        const head = frame.data as { seq?: number; at?: string } | undefined;
        if (head?.seq) this.auditHead = { seq: head.seq, at: head.at ?? frame.at ?? '' };
      }),
      feed.onReread(soon),
    ];
    void read();
    return () => {
      isStopped = true;
      clearTimeout(timer);
      this.current = null;
      for (const off of offs) off();
    };
  }
}

export const status = new StatusState();
