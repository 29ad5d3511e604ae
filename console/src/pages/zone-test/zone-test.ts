/** What a link to a test may ask: its own way to the API, which knows no session and no seat. */
import { ROOT } from '$lib/api/client';

export interface TestZone {
  number: string;
  name: string;
  name_en: string;
  times: number;
  last_at: string | null;
  label_en: string;
  label_zh: string;
}

export interface TestSummary {
  zones: TestZone[];
  seen: number;
  events: number;
  wrong: number;
  strange: { zone: string; code: string; at: string; verdict: string }[];
  longest_answer_ms: number | null;
}

export interface Test {
  id: string;
  holder: string;
  begun_at: string;
  until: string;
  zone: string;
  asked_at: string | null;
  ended_at: string | null;
  how_ended: string;
  summary: TestSummary | null;
}

export interface Came {
  signal_id: string;
  received_at: string;
  committed_at: string | null;
  answered_at: string | null;
  answer_ms: number | null;
  code: string;
  kind: string;
  label_en: string;
  label_zh: string;
  zone: string;
  raw: string;
  verdict: string;
  priority: number | null;
  raised: boolean;
}

export interface TestState {
  device: { name: string; name_en: string; account: string };
  holder: string;
  now: string;
  expires_at: string;
  is_taken: boolean;
  zones: TestZone[];
  test: Test | null;
  last: Test | null;
  events: Came[];
}

/** A call that was refused; `isOver` means that the link itself opens nothing any more. */
export class Refused extends Error {
  constructor(
    readonly words: string,
    readonly isOver: boolean,
  ) {
    super(words);
  }
}

const PATIENCE_MS = 10_000;

export async function call(token: string, language: string, path: string, body?: unknown): Promise<TestState> {
  const response = await fetch(`${ROOT}/zone-test${path}`, {
    method: path ? 'POST' : 'GET',
    headers: {
      Accept: 'application/json',
      'Accept-Language': language,
      'X-Test-Link': token,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: 'omit',
    cache: 'no-store',
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.ok) return (await response.json()) as TestState;
  let words = '';
  try {
    const problem = (await response.json()) as { detail?: unknown };
    if (typeof problem.detail === 'string') words = problem.detail;
  } catch {
    words = '';
  }
  throw new Refused(words, response.status === 401 || response.status === 422);
}
