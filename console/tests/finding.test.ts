import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api, ApiError } from '../src/lib/api/client';
import { Finding, pathOf, type Found } from '../src/lib/keys/finding.svelte';

const camera: Found = { kind: 'camera', id: 'c1', name: '水厂大门', name_en: 'Waterworks gate', jurisdiction_id: 'j' };
const place: Found = { kind: 'place', id: 'p1', name: '水厂', name_en: 'Waterworks', jurisdiction_id: 'j' };

describe('what the command line finds', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('asks once, after a pause, for the last words', async () => {
    const list = vi.spyOn(api, 'list').mockResolvedValue({ items: [place, camera], next: null });
    const finding = new Finding();
    for (const text of ['/s', '/sh', '/shuichang']) finding.look(text);
    await vi.advanceTimersByTimeAsync(200);
    expect(list.mock.calls.map(([path, params]) => [path, params?.q])).toEqual([['/search', 'shuichang']]);
    expect([finding.items, finding.answered]).toEqual([[place, camera], 'shuichang']);
  });

  it('never shows the answer to words that are no longer there', async () => {
    let answer: (page: { items: Found[]; next: null }) => void = () => undefined;
    vi.spyOn(api, 'list').mockReturnValue(new Promise((resolve) => (answer = resolve as typeof answer)));
    const finding = new Finding();
    finding.look('sh');
    await vi.advanceTimersByTimeAsync(200);
    finding.look('');
    answer({ items: [camera], next: null });
    await vi.advanceTimersByTimeAsync(0);
    expect(finding.items).toEqual([]);
  });

  it('moves through what was found and back to the words', async () => {
    vi.spyOn(api, 'list').mockResolvedValue({ items: [place, camera], next: null });
    const finding = new Finding();
    finding.look('sc');
    await vi.advanceTimersByTimeAsync(200);
    const seen = [finding.chosen];
    for (let n = 0; n < 3; n++) {
      finding.move(1);
      seen.push(finding.chosen);
    }
    expect(seen).toEqual([null, place, camera, null]);
    finding.move(-1);
    expect(finding.chosen && pathOf(finding.chosen)).toBe('/cameras/c1');
  });

  it('keeps the failure for the page to say', async () => {
    vi.spyOn(api, 'list').mockRejectedValue(new ApiError('unreachable', 0, '', ''));
    const finding = new Finding();
    finding.look('sc');
    await vi.advanceTimersByTimeAsync(200);
    expect([finding.items, finding.error instanceof ApiError]).toEqual([[], true]);
  });
});
