import { afterEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError } from '../src/lib/api/client';
import { toasts } from '../src/lib/state/toasts.svelte';
import { claim, release } from '../src/pages/control-room/acts';

const stale = (params: Record<string, unknown>) => new ApiError('conflict', 409, 'Changed', 'has changed', params);
const full = { id: 'i1', version: 7, state: 'new', owner: null, priority: 2, opened_at: '', alarms: [] };

afterEach(() => vi.restoreAllMocks());

describe('a claim', () => {
  it('that names an old version is asked once more with the current one, and nothing is said', async () => {
    vi.spyOn(api, 'get').mockResolvedValue(full);
    const post = vi.spyOn(api, 'post').mockRejectedValueOnce(stale({ current_version: 7 })).mockResolvedValueOnce(full);
    const say = vi.spyOn(toasts, 'say').mockReturnValue(undefined as never);
    expect(await claim('i1')).toBe(true);
    expect(post.mock.calls.map(([path, body]) => [path, body])).toEqual([
      ['/incidents/i1/claim', { version: 0 }],
      ['/incidents/i1/claim', { version: 7 }],
    ]);
    expect(say).not.toHaveBeenCalled();
  });

  it('is asked twice at most, and not again when somebody else was first', async () => {
    vi.spyOn(api, 'get').mockResolvedValue(full);
    const say = vi.spyOn(toasts, 'say').mockReturnValue(undefined as never);
    const post = vi.spyOn(api, 'post').mockRejectedValue(stale({ current_version: 9 }));
    expect(await claim('i1')).toBe(false);
    expect(post).toHaveBeenCalledTimes(2);
    post.mockClear().mockRejectedValue(stale({ owner: 'u2' }));
    expect(await claim('i1')).toBe(false);
    expect(post).toHaveBeenCalledTimes(1);
    expect(say).toHaveBeenCalledTimes(2);
  });

  it('never relieves somebody who was not seen as the owner', async () => {
    vi.spyOn(api, 'get').mockResolvedValue({ ...full, version: 20, owner: { user_id: 'u2', name: 'Lin' } });
    vi.spyOn(toasts, 'say').mockReturnValue(undefined as never);
    const post = vi.spyOn(api, 'post').mockRejectedValue(stale({ current_version: 20 }));
    expect(await claim('i1')).toBe(false);
    expect(post).toHaveBeenCalledTimes(1);
  });

  it('is the only act that is: what rests on what was seen is refused', async () => {
    vi.spyOn(api, 'get').mockResolvedValue(full);
    vi.spyOn(toasts, 'say').mockReturnValue(undefined as never);
    const post = vi.spyOn(api, 'post').mockRejectedValue(stale({ current_version: 9 }));
    await release('i1');
    expect(post).toHaveBeenCalledTimes(1);
  });
});
