/** Clips of an incident: what the API says of them, and in which words a person reads that. */
import * as m from '$m';
import { address } from '$lib/api/client';
import { duration, stopwatch } from '$lib/i18n/time';
import { language } from '$lib/i18n/language.svelte';

export interface Clip {
  id: string;
  kind: 'clip' | 'minutes';
  incident_id: string;
  alarm_id: string;
  camera_id: string;
  alarm_at: string;
  starts_at: string;
  ends_at: string;
  state: 'recording' | 'fetching' | 'ready' | 'partial' | 'failed';
  source: '' | 'own' | 'device';
  pre_roll: 'none' | 'memory' | 'disk' | 'device';
  reason: string;
  words: string;
  has_video: boolean;
  video_from: string | null;
  video_to: string | null;
  codec: string;
  size_bytes: number;
  sha256: string;
  ready_in_s: number | null;
}

/** A clip as it was read, with the moment it is likely to be there (on the server's clock). */
export interface Read extends Clip {
  ready_ms: number | null;
}

export const asRead = (clip: Clip, now_ms: number): Read => ({
  ...clip,
  ready_ms: clip.ready_in_s === null ? null : now_ms + clip.ready_in_s * 1000,
});

export const isUnderWay = (clip: Clip): boolean => clip.state === 'recording' || clip.state === 'fetching';

/** The address of its video under a view; another file has another address. */
export const videoOf = (clip: Clip, viewId: string): string =>
  address(`/clips/${clip.id}/video`, { view_id: viewId, v: clip.sha256.slice(0, 8) || clip.video_to });

/** What is to be said of a clip beside its picture; empty when it is whole. Pure. */
export function stateWords(clip: Read, now_ms: number): string {
  if (isUnderWay(clip)) {
    const left = clip.ready_ms === null ? null : clip.ready_ms - now_ms;
    const late = left === null || left < 1000;
    if (clip.reason && late) return clip.words;
    if (late) return clip.state === 'fetching' ? m.clips_fetching() : m.clips_soon();
    const time = left < 60_000 ? duration(Math.max(10_000, left), language.current) : stopwatch(left, language.current);
    return left < 10_000 ? m.clips_ready_soon() : m.clips_ready_in({ time });
  }
  return clip.state === 'ready' ? '' : clip.words;
}
