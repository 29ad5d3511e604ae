/** Arrows, Home and End among the rows of a list: `{@attach arrowKeys}` on what holds elements with `data-row`. */

const STEPS: Record<string, (at: number, last: number) => number> = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_at, last) => last,
};

export function arrowKeys(list: HTMLElement): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
    const rows = [...list.querySelectorAll<HTMLElement>('[data-row]')];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    if (at < 0) return;
    event.preventDefault();
    rows[step(at, rows.length - 1)]?.focus();
  };
  list.addEventListener('keydown', onKeyDown);
  return () => list.removeEventListener('keydown', onKeyDown);
}

/** Into the first row of `list`, from anywhere on the page. */
export function focusFirstRow(list: HTMLElement | null): void {
  list?.querySelector<HTMLElement>('[data-row]')?.focus();
}

/** Nothing on the page has the focus: an arrow may mean the list. */
export const isNowhere = (): boolean => document.activeElement === document.body || document.activeElement?.id === 'main';
