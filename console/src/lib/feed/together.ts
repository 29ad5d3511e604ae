/** Hands out what arrives in one go, once a frame and no oftener than the page can draw. Pure; time is an argument. */

export interface Pace {
  now_ms: () => number;
  /** Calls back with the next animation frame, or soon when none is drawn, not before `rest_ms` are over; returns the stop. */
  frame: (run: () => void, rest_ms: number) => () => void;
  /** Calls back once what was just changed is on the glass. */
  drawn: (run: () => void) => void;
}

/** No eye reads faster in a flood. */
const LEAST_REST_MS = 100;
/** An alarm is never held back for longer than this. */
const MOST_REST_MS = 300;
/** After each drawing the page leaves the processor alone for this many times as long: the server may share it. */
const REST_SHARE = 3;

export class Together<T> {
  #arrived: T[] = [];
  #stop: (() => void) | null = null;
  #free_ms = 0;

  constructor(
    private readonly hand: (all: readonly T[]) => void,
    private readonly pace: Pace = PAGE,
  ) {}

  add(item: T): void {
    this.#arrived.push(item);
    this.#stop ??= this.pace.frame(() => this.#handOut(), Math.max(0, this.#free_ms - this.pace.now_ms()));
  }

  clear(): void {
    this.#stop?.();
    this.#stop = null;
    this.#arrived = [];
  }

  #handOut(): void {
    this.#stop = null;
    const all = this.#arrived;
    this.#arrived = [];
    const start_ms = this.pace.now_ms();
    this.#free_ms = start_ms + LEAST_REST_MS;
    this.pace.drawn(() => {
      const end_ms = this.pace.now_ms();
      const rest_ms = Math.min(Math.max((end_ms - start_ms) * REST_SHARE, LEAST_REST_MS), MOST_REST_MS);
      this.#free_ms = end_ms + rest_ms;
    });
    this.hand(all);
  }
}

/** A page in the background draws no frames; what it knows stays current all the same. */
const NO_FRAME_MS = 500;

const PAGE: Pace = {
  now_ms: () => performance.now(),
  frame: (run, rest_ms) => {
    let frame = 0;
    let late: ReturnType<typeof setTimeout> | undefined;
    const stop = () => {
      clearTimeout(rest);
      clearTimeout(late);
      cancelAnimationFrame(frame);
    };
    const once = () => {
      stop();
      run();
    };
    const ask = () => {
      late = setTimeout(once, document.hidden ? 0 : NO_FRAME_MS);
      if (!document.hidden) frame = requestAnimationFrame(once);
    };
    const rest = rest_ms > 0 ? setTimeout(ask, rest_ms) : undefined;
    if (rest === undefined) ask();
    return stop;
  },
  drawn: (run) => void setTimeout(run),
};
