/** An error in words: what happened, and what to do next. */
import * as m from '$m';
import { ApiError } from './client';

export interface ErrorWords {
  what: string;
  next: string;
  /** The stable word, for the details and for whoever is asked for help. */
  code: string;
}

const WHAT: Record<string, () => string> = {
  unreachable: m.error_unreachable,
  unreadable: m.error_unreadable,
  unauthenticated: m.error_unauthenticated,
  forbidden: m.error_forbidden,
  not_found: m.error_not_found,
  conflict: m.error_conflict,
  invalid: m.error_invalid,
  too_many: m.error_too_many,
  unavailable: m.error_unavailable,
  blocked: m.error_blocked,
};

const NEXT: Record<string, () => string> = {
  unreachable: m.error_unreachable_next,
  unreadable: m.error_unreadable_next,
  unauthenticated: m.error_unauthenticated_next,
  forbidden: m.error_forbidden_next,
  not_found: m.error_not_found_next,
  conflict: m.error_conflict_next,
  invalid: m.error_invalid_next,
  too_many: m.error_too_many_next,
  unavailable: m.error_unavailable_next,
  blocked: m.error_blocked_next,
};

export function errorWords(error: unknown): ErrorWords {
  if (!(error instanceof ApiError)) return { what: m.error_unreadable(), next: m.error_unreadable_next(), code: 'page' };
  const what = error.detail || error.title || (WHAT[error.code] ?? m.error_unreadable)();
  const next = (NEXT[error.code] ?? m.error_unreadable_next)();
  return { what, next, code: error.code };
}
