/** The state of the house for the strip: read each 10 s, and at once when the feed names a change. */
import { api } from '$lib/api/client';
import type { Status } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { now } from './now.svelte';

const EACH_MS = 10_000;

class StatusState {
  current = $state<Status | null>(null);
  auditHead = $state<{ seq: number; at: string } | null>(null);

  start(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isStopped = false;
    const read = async () => {
      clearTimeout(timer);
      try {
        const status = await api.get<Status>('/status');
        if (isStopped) return;
        now.heardServer(status.server_time);
        this.current = status;
        if (status.audit_head && status.audit_head.seq >= (this.auditHead?.seq ?? 0)) this.auditHead = status.audit_head;
      } catch {
        // The feed shows that the server is away; the strip keeps its last values, greyed.
      }
      if (!isStopped) timer = setTimeout(() => void read(), EACH_MS);
    };
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void read(), 300);
    };
    const offs = [
      feed.on('notice.', soon),
      feed.on('alarm.raised', soon),
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
