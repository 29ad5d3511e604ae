/** Which row a key means: the one painted under that number when the eye read it, never the one a re-sort put there. */

/** Time a person needs to see that rows changed places, and not press the old number. */
export const SETTLE_MS = 600;

export class PaintedOrder {
  #ids: readonly string[] = [];
  #before: readonly string[] = [];
  #changed_ms = Number.NEGATIVE_INFINITY;

  /** Notes the order now on screen. */
  show(ids: readonly string[], now_ms: number): void {
    if (ids.length === this.#ids.length && ids.every((id, index) => id === this.#ids[index])) return;
    // A second change before the first has settled keeps the order that was read.
    if (now_ms - this.#changed_ms >= SETTLE_MS) this.#before = this.#ids;
    this.#ids = ids;
    this.#changed_ms = now_ms;
  }

  /** The row meant by position `index` at `now_ms`; null when there is none, or when it has left the list meanwhile. */
  at(index: number, now_ms: number): string | null {
    const isSettled = now_ms - this.#changed_ms >= SETTLE_MS || this.#before.length === 0;
    const id = (isSettled ? this.#ids : this.#before)[index];
    return id !== undefined && this.#ids.includes(id) ? id : null;
  }
}
