/** The order of the feed: what to apply, what to skip, when to read everything again. Pure; time is an argument. */

export interface FeedFrame {
  type: string;
  seq?: number;
  at?: string;
  id?: string;
  data?: unknown;
  from?: number;
  to?: number;
  server_time?: string;
  seat?: string;
}

export type Verdict =
  /** A change in order: hand it to whoever shows it. */
  | { act: 'apply' }
  /** Nothing to show: a tick, or a frame seen before the break. */
  | { act: 'skip' }
  /** The feed cannot tell what was missed: read again what is shown. */
  | { act: 'reread' };

const SKIP: Verdict = { act: 'skip' };
const APPLY: Verdict = { act: 'apply' };
const REREAD: Verdict = { act: 'reread' };

/** Keeps the last sequence number shown, across connections. */
export class FeedSequence {
  #last: number | null = null;

  /** Where to resume: the number to ask the server to go on after, or null to start now. */
  get last(): number | null {
    return this.#last;
  }

  receive(frame: FeedFrame): Verdict {
    switch (frame.type) {
      case 'hello': {
        const seq = frame.seq ?? 0;
        if (this.#last === null) {
          this.#last = seq;
          return SKIP;
        }
        if (seq < this.#last) {
          // The server knows less than we have seen: another database answers.
          this.#last = seq;
          return REREAD;
        }
        return SKIP;
      }
      case 'tick':
        if (frame.seq !== undefined && (this.#last === null || frame.seq > this.#last)) this.#last = frame.seq;
        return SKIP;
      case 'gap':
        if (frame.to !== undefined) this.#last = Math.max(this.#last ?? 0, frame.to);
        return REREAD;
      default: {
        if (frame.seq === undefined) return APPLY;
        if (this.#last !== null && frame.seq <= this.#last) return SKIP;
        this.#last = frame.seq;
        return APPLY;
      }
    }
  }
}

/** Seconds of silence after which the page no longer calls itself live: ticks come every 5 s. */
export const SILENCE_LIMIT_MS = 8_000;
const WAITS_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000] as const;

/** How long to wait before the next try: doubling to 15 s, 20 % either way so that consoles do not come back together. */
export function backOff(attempt: number, random: number): number {
  const wait = WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)] ?? 15_000;
  return Math.round(wait * (0.8 + 0.4 * random));
}

/** How far our clock runs behind the server's, smoothed: the least delayed of recent frames wins. */
export class ServerClock {
  #offsets: number[] = [];

  /** Milliseconds to add to our clock to get the server's. */
  get offset_ms(): number {
    return this.#offsets.length === 0 ? 0 : Math.max(...this.#offsets);
  }

  heard(serverMs: number, ourMs: number): void {
    this.#offsets.push(serverMs - ourMs);
    if (this.#offsets.length > 12) this.#offsets.shift();
  }
}
