/** Arrow keys in a list: Tab reaches the list once, the arrows, Home and End go through its rows. */
import type { Attachment } from 'svelte/attachments';

const ROW = '[data-row]';

/** For the element around rows that carry `data-row` and can take the focus. */
export const rows: Attachment<HTMLElement> = (holder) => {
  const all = () => [...holder.querySelectorAll<HTMLElement>(ROW)];
  const settle = (chosen?: HTMLElement) => {
    const list = all();
    const current = chosen ?? list.find((row) => row.tabIndex === 0) ?? list[0];
    for (const row of list) row.tabIndex = row === current ? 0 : -1;
  };
  const onFocus = (event: FocusEvent) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(ROW) : null;
    if (row) settle(row);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(ROW) : null;
    if (!row) return;
    const list = all();
    const at = list.indexOf(row);
    const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: list.length - 1 }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    list[Math.min(Math.max(goal, 0), list.length - 1)]?.focus();
  };
  const observer = new MutationObserver(() => settle());
  observer.observe(holder, { childList: true, subtree: true });
  holder.addEventListener('focusin', onFocus);
  holder.addEventListener('keydown', onKey);
  settle();
  return () => {
    observer.disconnect();
    holder.removeEventListener('focusin', onFocus);
    holder.removeEventListener('keydown', onKey);
  };
};
