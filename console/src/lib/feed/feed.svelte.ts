/** The live feed: one socket, resumed from its sequence, honest about how far behind the page is. */
import { ROOT } from '$lib/api/client';
import { now } from '$lib/state/now.svelte';
import { backOff, FeedSequence, SILENCE_LIMIT_MS, type FeedFrame } from './sequence';
import { Together } from './together';

export type FeedState = 'off' | 'connecting' | 'live' | 'broken';
type Listener = (frames: readonly FeedFrame[]) => void;

/** How often what the page says of the feed itself is renewed. */
const SAY_MS = 500;

/** The close code of a feed whose session is over. */
const SESSION_ENDED = 4401;

class Feed {
  state = $state<FeedState>('off');
  /** When the last frame of any kind came, on the server's clock. */
  heard_ms = $state(0);
  /** How long the last change took from the server's commit to this page. */
  delay_ms = $state(0);
  seat = $state('');
  /** The number of the last change that was handed to those who show it. */
  shown = $state<number | null>(null);

  /** Set by the session: what to do when the server ends it. */
  onSessionEnded: () => void = () => undefined;

  #sequence = new FeedSequence();
  #socket: WebSocket | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #listeners = new Map<string, Set<Listener>>();
  #rereaders = new Set<() => void>();
  #waiting: string[] = [];
  /** In a flood what came is shown together; the first change after a pause with the next frame. */
  #together = new Together<FeedFrame>((frames) => this.#handOut(frames));
  #said_ms = 0;

  /** What is shown may be out of date: no connection, or silence where a tick was due. */
  isStale = $derived(this.state !== 'off' && (this.state !== 'live' || now.ms - this.heard_ms > SILENCE_LIMIT_MS));
  /** Milliseconds since the page last knew it was current. */
  behind_ms = $derived(this.heard_ms === 0 ? 0 : Math.max(0, now.ms - this.heard_ms));

  get last(): number | null {
    return this.#sequence.last;
  }

  start(): void {
    if (this.#socket || this.state === 'connecting') return;
    this.#sequence = new FeedSequence();
    this.#attempt = 0;
    this.#connect();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#together.clear();
    this.shown = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.state = 'off';
    this.heard_ms = 0;
  }

  /** Calls back with each change of one type (`unit.changed`) or a family (`incident.`); returns the stop. */
  on(type: string, listener: (frame: FeedFrame) => void): () => void {
    return this.onAll(type, (frames) => frames.forEach(listener));
  }

  /** The same with all changes that are to be shown together, in order. */
  onAll(type: string, listener: Listener): () => void {
    let listeners = this.#listeners.get(type);
    if (!listeners) this.#listeners.set(type, (listeners = new Set()));
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Calls back when changes were missed and what is shown must be read again. */
  onReread(reread: () => void): () => void {
    this.#rereaders.add(reread);
    return () => this.#rereaders.delete(reread);
  }

  /** Tells the server what this console has painted (time stamps t4 and t6). */
  report(message: { presented: string[] } | { first_frame: { view: string; channel: string } }): void {
    const text = JSON.stringify(message);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
    else this.#waiting.push(text);
    if (this.#waiting.length > 100) this.#waiting.shift();
  }

  #connect(): void {
    this.state = this.#attempt === 0 ? 'connecting' : 'broken';
    const last = this.#sequence.last;
    const url = new URL(`${ROOT}/feed${last === null ? '' : `?after=${last}`}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (socket === this.#socket && typeof event.data === 'string') this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (event.code === SESSION_ENDED) {
        this.onSessionEnded();
        return;
      }
      this.state = 'broken';
      this.#retry = setTimeout(() => this.#connect(), backOff(this.#attempt++, Math.random()));
    };
  }

  #receive(text: string): void {
    let frame: FeedFrame;
    try {
      frame = JSON.parse(text) as FeedFrame;
    } catch {
      return;
    }
    const heard_ms = now.exact();
    if (frame.server_time) now.heardServer(frame.server_time);
    if (heard_ms - this.heard_ms > SAY_MS) this.heard_ms = heard_ms;
    if (frame.server_time) this.delay_ms = Math.max(0, now.exact() - Date.parse(frame.server_time));
    if (frame.type === 'hello') {
      this.state = 'live';
      this.#attempt = 0;
      if (frame.seat) this.seat = frame.seat;
      for (const waiting of this.#waiting.splice(0)) this.#socket?.send(waiting);
    }
    const verdict = this.#sequence.receive(frame);
    if (verdict.act === 'reread') for (const reread of [...this.#rereaders]) reread();
    if (verdict.act !== 'apply') return;
    this.#together.add(frame);
  }

  /** Hands out what has arrived, in order and in one go: what depends on it is painted once. */
  #handOut(frames: readonly FeedFrame[]): void {
    const byType = new Map<string, FeedFrame[]>();
    const put = (type: string, frame: FeedFrame) => {
      const known = byType.get(type);
      if (known) known.push(frame);
      else byType.set(type, [frame]);
    };
    for (const frame of frames) {
      put(frame.type, frame);
      const dot = frame.type.indexOf('.');
      if (dot > 0) put(frame.type.slice(0, dot + 1), frame);
      if (frame.seq !== undefined) this.shown = frame.seq;
    }
    // The oldest of them has waited longest: that is how far the page was behind.
    const at = frames.find((frame) => frame.at)?.at;
    if (at && performance.now() - this.#said_ms > SAY_MS) {
      this.#said_ms = performance.now();
      this.delay_ms = Math.max(0, now.exact() - Date.parse(at));
    }
    for (const [type, some] of byType) {
      for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(some);
    }
  }
}

export const feed = new Feed();
