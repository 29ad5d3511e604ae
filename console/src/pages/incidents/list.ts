/** The filters of the incident list: as they stand in the address, and as the server takes them. Pure. */
import type { Params } from '$lib/api/client';

export const FILTERS = ['q', 'state', 'kind', 'priority', 'verdict', 'disposition', 'from', 'to'] as const;
export type FilterName = (typeof FILTERS)[number];
export type Filters = Record<FilterName, string>;

/** Rows after which the page asks to narrow the filters instead of showing more. */
export const MOST_ROWS = 1000;
export const PAGE_ROWS = 50;

export function readFilters(query: URLSearchParams): Filters {
  return Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ''])) as Filters;
}

/** Midnight, local, of a `2026-11-22`; the day after it for the end of a span. Empty for anything else. */
export function dayStart(day: string, plusDays = 0): string {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? [];
  if (!year || !month || !date) return '';
  const at = new Date(Number(year), Number(month) - 1, Number(date) + plusDays);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

export function toParams(filters: Filters): Params {
  const { state } = filters;
  return {
    q: filters.q.trim().slice(0, 100),
    open: state === 'open' ? true : state === 'ended' ? false : undefined,
    state: state === 'open' || state === 'ended' ? undefined : state,
    kind: filters.kind,
    priority: filters.priority,
    verdict: filters.verdict,
    disposition: filters.disposition,
    from: dayStart(filters.from),
    to: dayStart(filters.to, 1),
    limit: PAGE_ROWS,
  };
}
