/** The typed way to `/api/v1`: every failure is an `ApiError` with words a person can act on. */
import type { Page, Problem } from './types';

export type Params = Record<string, string | number | boolean | null | undefined>;

/** What went wrong with a request. `code` is the server's stable word, or `unreachable` and `unreadable` for ours. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly params: Record<string, unknown> = {},
    readonly fields: readonly { field: string; message: string }[] = [],
    readonly rule: string = '',
  ) {
    super(detail || title || code);
  }

  /** The same request may succeed later without any change. */
  get isPassing(): boolean {
    return this.code === 'unreachable' || this.code === 'unavailable' || this.code === 'too_many';
  }
}

interface Surroundings {
  csrf: () => string;
  language: () => string;
  signedOut: () => void;
}

let surroundings: Surroundings = { csrf: () => '', language: () => 'en', signedOut: () => undefined };

/** Tells the client where the CSRF word, the language and the way to the sign-in page are. */
export function joinClient(given: Surroundings): void {
  surroundings = given;
}

export const ROOT = '/api/v1';

export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return ROOT + path + (text ? `?${text}` : '');
}

/** Asks and gives the answer when it is a good one. */
async function ask(method: string, path: string, params: Params | undefined, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json, */*', 'Accept-Language': surroundings.language() };
  const isFile = body instanceof Blob;
  if (body !== undefined) headers['Content-Type'] = isFile ? 'application/octet-stream' : 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = surroundings.csrf();
  let response: Response;
  try {
    response = await fetch(address(path, params), {
      method,
      headers,
      body: body === undefined || isFile ? body : JSON.stringify(body),
      credentials: 'same-origin',
      signal,
    });
  } catch (failure) {
    throw passing(failure);
  }
  if (response.ok) return response;
  const error = await problemOf(response);
  if (response.status === 401 && path !== '/session') surroundings.signedOut();
  throw error;
}

/** A request somebody gave up stays what it is; else the server was not reached. */
const passing = (failure: unknown) =>
  failure instanceof DOMException && failure.name === 'AbortError' ? failure : new ApiError('unreachable', 0, '', '');

async function request<T>(method: string, path: string, params?: Params, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await ask(method, path, params, body, signal);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

/** Reads bytes as they are, with what the server says about them. */
async function bytes(path: string, params?: Params, signal?: AbortSignal): Promise<{ data: ArrayBuffer; headers: Headers }> {
  const response = await ask('GET', path, params, undefined, signal);
  try {
    return { data: await response.arrayBuffer(), headers: response.headers };
  } catch (failure) {
    throw passing(failure);
  }
}

/** Sends something and saves the file that is the answer, under the name the server gives it. Returns the name. */
async function save(path: string, body: unknown): Promise<string> {
  const response = await ask('POST', path, undefined, body, undefined);
  const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? '';
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return name;
}

async function problemOf(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return new ApiError(
      problem.code ?? 'unreadable',
      response.status,
      problem.title ?? '',
      typeof problem.detail === 'string' ? problem.detail : '',
      problem.params ?? {},
      problem.errors ?? [],
      problem.rule ?? (typeof problem.params?.rule === 'string' ? problem.params.rule : ''),
    );
  } catch {
    return new ApiError('unreadable', response.status, '', '');
  }
}

export const api = {
  get: <T>(path: string, params?: Params, signal?: AbortSignal) => request<T>('GET', path, params, undefined, signal),
  list: <T>(path: string, params?: Params, signal?: AbortSignal) =>
    request<Page<T>>('GET', path, params, undefined, signal),
  bytes,
  save,
  post: <T>(path: string, body: unknown = {}) => request<T>('POST', path, undefined, body),
  /** Sends a file as it is. */
  upload: <T>(path: string, file: Blob, params?: Params) => request<T>('POST', path, params, file),
  put: <T>(path: string, body: unknown) => request<T>('PUT', path, undefined, body),
  patch: <T>(path: string, body: unknown) => request<T>('PATCH', path, undefined, body),
  delete: <T>(path: string) => request<T>('DELETE', path),
};
