/** Door calls: those that ring or are spoken in, and the one in hand with its sound. Loaded when the first call comes. */
import * as m from '$m';
import { api } from '$lib/api/client';
import { errorWords } from '$lib/api/words';
import { feed } from '$lib/feed/feed.svelte';
import { loudspeaker } from '$lib/sound/sound.svelte';
import { session } from '$lib/state/session.svelte';
import { CallLine } from './line.svelte';

export interface DoorCall {
  id: string;
  device_id: string;
  name: string;
  name_en: string;
  called: string;
  sos: boolean;
  sound: boolean;
  state: 'ringing' | 'answered' | 'ended';
  started_at: string;
  answered_at: string | null;
  answered_by: { user_id: string; name: string } | null;
  ended_at: string | null;
  reason: string;
  missed: boolean;
  incident_id: string | null;
  cameras: string[];
  /** It brings a picture of its own; its channel is the device. */
  picture: boolean;
  can_open: boolean;
  opened: number;
}

/** How long a call that is over, or somebody else's, stays in sight. */
const STAYS_MS = 6_000;
const REASON = 'door call';

class Calls {
  all = $state.raw<DoorCall[]>([]);
  line = $state.raw<CallLine | null>(null);
  lineOf = $state('');
  problem = $state('');
  isBusy = $state(false);

  ringing = $derived(this.all.filter((call) => call.state === 'ringing'));

  isMine(call: DoorCall): boolean {
    return call.answered_by !== null && call.answered_by.user_id === session.user?.id;
  }

  start(): () => void {
    const offs = [
      feed.on('call.changed', (frame) => this.#take(frame.data as DoorCall)),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    return () => {
      offs.forEach((off) => off());
      this.#hush();
      this.#drop();
    };
  }

  async read(): Promise<void> {
    try {
      const found = await api.list<DoorCall>('/calls', { state: 'open' });
      const seen = new Set(found.items.map((call) => call.id));
      this.all = [...found.items, ...this.all.filter((call) => call.state === 'ended' && !seen.has(call.id))];
      this.#ring();
    } catch {
      // the feed says when it can be read again
    }
  }

  async answer(call: DoorCall): Promise<void> {
    await this.#act(async () => {
      const answered = await api.post<DoorCall & { url: string }>(`/calls/${call.id}/answer`);
      this.#join(answered);
    });
  }

  /** The page was loaded again while a call is in hand. */
  async rejoin(call: DoorCall): Promise<void> {
    await this.#act(async () => this.#join(await api.post<DoorCall & { url: string }>(`/calls/${call.id}/line`)));
  }

  async hangUp(call: DoorCall): Promise<void> {
    await this.#act(async () => this.#take(await api.post<DoorCall>(`/calls/${call.id}/hang-up`)));
  }

  async open(call: DoorCall, reason: string): Promise<boolean> {
    return this.#act(async () => this.#take(await api.post<DoorCall>(`/calls/${call.id}/door`, { reason })));
  }

  async raise(call: DoorCall): Promise<void> {
    await this.#act(async () => this.#take(await api.post<DoorCall>(`/calls/${call.id}/incident`)));
  }

  async #act(work: () => Promise<void>): Promise<boolean> {
    this.problem = '';
    this.isBusy = true;
    try {
      await work();
      return true;
    } catch (error) {
      const words = errorWords(error);
      this.problem = [words.what, words.next].filter(Boolean).join(' ');
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  #join(answered: DoorCall & { url: string }): void {
    this.#take(answered);
    this.#drop();
    this.lineOf = answered.id;
    this.line = new CallLine(answered.url, (reason) => {
      if (this.lineOf === answered.id && reason !== 'hung_up') this.problem = m.calls_line_lost();
    });
    void this.line.open();
  }

  #take(call: DoorCall): void {
    const others = this.all.filter((one) => one.id !== call.id);
    this.all = [call, ...others];
    if (call.state === 'ended' && this.lineOf === call.id) this.#drop();
    if (call.state === 'ended' || (call.state === 'answered' && !this.isMine(call))) {
      setTimeout(() => {
        const known = this.all.find((one) => one.id === call.id);
        if (known && known.state === call.state) this.all = this.all.filter((one) => one.id !== call.id);
      }, STAYS_MS);
    }
    this.#ring();
  }

  #ring(): void {
    const first = this.ringing.find((call) => call.sos) ?? this.ringing[0];
    if (first && session.current?.on_duty === true) loudspeaker.begin(REASON, first.sos ? 'critical' : 'door');
    else this.#hush();
  }

  #hush(): void {
    loudspeaker.end(REASON);
  }

  #drop(): void {
    this.line?.close();
    this.line = null;
    this.lineOf = '';
  }
}

export const calls = new Calls();
