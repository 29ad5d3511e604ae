/** The only reader of the browser's clock for what is shown; ages tick from here, on the server's time. */
import { ServerClock } from '$lib/feed/sequence';

class Now {
  /** Milliseconds since 1970 on the server's clock, renewed each second. */
  ms = $state(Date.now());
  #clock = new ServerClock();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The server's time this instant; does not tick by itself. */
  exact(): number {
    return Date.now() + this.#clock.offset_ms;
  }

  heardServer(at: string): void {
    const serverMs = Date.parse(at);
    if (!Number.isNaN(serverMs)) this.#clock.heard(serverMs, Date.now());
  }

  /** Ticks on the full second, so that all ages of a page change together. */
  start(): () => void {
    const tick = () => {
      this.ms = this.exact();
      this.#timer = setTimeout(tick, 1000 - (this.ms % 1000) + 5);
    };
    tick();
    return () => clearTimeout(this.#timer);
  }
}

export const now = new Now();
