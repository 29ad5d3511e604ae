/** Which rows of a long list are drawn: those in view and a few around them. Pure. */

/** Rows drawn above and below those in view, so that a turn of the wheel meets no blank. */
export const OVERSCAN = 6;
/** However high the screen: no list ever draws more than this. */
export const MOST_DRAWN = 80;

export interface Span {
  /** The first row that is drawn. */
  from: number;
  /** The row after the last one. */
  to: number;
}

/** The rows of `count`, `row_px` high, of which the pixels from `top_px` to `bottom_px` can be seen. */
export function spanOf(count: number, row_px: number, top_px: number, bottom_px: number): Span {
  const first = Math.floor(Math.max(0, top_px) / row_px) - OVERSCAN;
  const from = Math.max(0, Math.min(first, count - 1));
  const last = Math.ceil(Math.max(0, bottom_px) / row_px) + OVERSCAN;
  return { from, to: Math.max(from, Math.min(count, last, from + MOST_DRAWN)) };
}

export interface Drawn<T> {
  row: T;
  /** Its place in the whole list, from 0. */
  at: number;
}

/** The rows of the span and, wherever it stands, the one with `kept`: it may have the focus. */
export function drawnRows<T extends { id: string }>(rows: readonly T[], span: Span, kept: string | null): Drawn<T>[] {
  const drawn = rows.slice(span.from, span.to).map((row, n) => ({ row, at: span.from + n }));
  if (kept === null || drawn.some((one) => one.row.id === kept)) return drawn;
  const at = rows.findIndex((row) => row.id === kept);
  const row = rows[at];
  if (!row) return drawn;
  return at < span.from ? [{ row, at }, ...drawn] : [...drawn, { row, at }];
}
