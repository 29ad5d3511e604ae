/** One wall: its tiles, the one view they all stand under, and the clock by which tiles step through their cameras. */
import { api, ApiError } from '$lib/api/client';
import type { View } from '$lib/api/types';
import { playableCodecs, type OpenedView } from '$lib/player/live';
import { now } from '$lib/state/now.svelte';

export type Which = 'main' | 'sub';
export const SIZES: readonly number[] = [1, 4, 9, 16];

export interface WallLayout {
  id: string;
  owner_id: string;
  name: string;
  tiles: number;
  places: string[][];
  dwell_s: number;
  shared: boolean;
  version: number;
}

export class Wall {
  size = $state(4);
  /** The cameras of each tile; a tile with several steps through them. */
  places = $state<string[][]>(Array.from({ length: 16 }, () => []));
  /** Which of its cameras a tile shows. */
  steps = $state<number[]>(Array(16).fill(0));
  held = $state<boolean[]>(Array(16).fill(false));
  isHeld = $state(false);
  dwell_s = $state(10);
  focused = $state(0);
  enlarged = $state<number | null>(null);
  view = $state.raw<{ id: string; purpose: string; ends_ms: number; channels: readonly string[] } | null>(null);
  isOver = $state(false);
  error = $state.raw<unknown>(null);
  notes = $state.raw<Record<string, string>>({});
  streams = $state.raw<Record<string, Which>>({});
  layout = $state.raw<WallLayout | null>(null);
  /** Addresses that came with the view and were not used yet. */
  #fresh = new Map<string, { url: string; until_ms: number }>();
  #stepped_ms = 0;

  get isLooking(): boolean {
    return this.view !== null && !this.isOver;
  }
  camera(tile: number): string | null {
    const list = this.places[tile] ?? [];
    return list.length === 0 ? null : (list[(this.steps[tile] ?? 0) % list.length] ?? null);
  }
  get shown(): string[] {
    return Array.from({ length: this.size }, (_, tile) => this.camera(tile)).flatMap((id) => (id === null ? [] : [id]));
  }
  stream(tile: number): Which {
    return this.size === 1 || this.enlarged === tile ? 'main' : 'sub';
  }

  put(tile: number, camera: string, isAdded = false): void {
    const list = this.places[tile] ?? [];
    this.places[tile] = isAdded ? [...list.filter((one) => one !== camera), camera] : [camera];
    if (!isAdded) this.steps[tile] = 0;
  }
  clear(tile: number): void {
    this.places[tile] = [];
    if (this.enlarged === tile) this.enlarged = null;
  }
  step(tile: number, by: number): void {
    const count = this.places[tile]?.length ?? 0;
    if (count > 1) this.steps[tile] = ((this.steps[tile] ?? 0) + by + count) % count;
  }
  /** Called each second: tiles that are not held step together when their time is over. */
  tick(): void {
    const at_ms = now.exact();
    if (this.view && at_ms >= this.view.ends_ms && !this.isOver) this.isOver = true;
    if (this.isHeld || !this.isLooking || document.hidden || at_ms - this.#stepped_ms < this.dwell_s * 1000) return;
    this.#stepped_ms = at_ms;
    for (let tile = 0; tile < this.size; tile++) if (!this.held[tile] && this.enlarged !== tile) this.step(tile, 1);
  }

  async begin(purpose: string, minutes: number): Promise<void> {
    const channels = [...new Set(this.shown)];
    this.error = null;
    try {
      const streams = Object.fromEntries(channels.map((id) => [id, this.size === 1 ? 'main' : 'sub']));
      const view = await api.post<View>('/views', { channels, purpose, minutes, streams, codecs: playableCodecs() });
      this.isOver = false;
      this.#stepped_ms = now.exact();
      this.#take(view, streams);
    } catch (error) {
      this.error = error;
    }
  }
  async renew(minutes: number): Promise<void> {
    if (!this.view) return;
    try {
      this.#take(await api.post<View>(`/views/${this.view.id}/renew`, { minutes }), {});
    } catch (error) {
      this.error = error;
    }
  }
  end(): void {
    const view = this.view;
    this.view = null;
    this.isOver = false;
    this.enlarged = null;
    this.#fresh.clear();
    if (view) void api.delete(`/views/${view.id}`).catch(() => undefined);
  }

  /** A fresh address of a camera's stream under the wall's view; a camera it does not hold yet is added to it. */
  async open(camera: string, which: Which): Promise<OpenedView> {
    const view = this.view;
    if (!view || this.isOver) throw new ApiError('blocked', 0, '', '');
    const kept = this.#fresh.get(`${camera} ${which}`);
    this.#fresh.delete(`${camera} ${which}`);
    if (kept && kept.until_ms > now.exact()) return { id: view.id, url: kept.url };
    const wanted = { [camera]: which };
    const answer = view.channels.includes(camera)
      ? await api.post<View>(`/views/${view.id}/streams`, { streams: wanted, codecs: playableCodecs() })
      : await api.post<View>(`/views/${view.id}/channels`, { channels: [camera], streams: wanted, codecs: playableCodecs() });
    this.#take(answer, {});
    return { id: answer.id, url: answer.live[camera] ?? '' };
  }

  #take(view: View, asked: Record<string, string>): void {
    this.view = {
      id: view.id,
      purpose: view.purpose,
      ends_ms: Date.parse(view.expires_at),
      channels: [...new Set([...(this.view?.id === view.id ? this.view.channels : []), ...view.channels])],
    };
    this.streams = { ...this.streams, ...view.streams };
    const named = Object.keys(view.live);
    const rest = Object.fromEntries(Object.entries(this.notes).filter(([id]) => !named.includes(id)));
    this.notes = { ...rest, ...view.notes };
    const until_ms = now.exact() + 40_000;
    for (const [id, which] of Object.entries(asked)) {
      const url = view.live[id];
      if (url) this.#fresh.set(`${id} ${which}`, { url, until_ms });
    }
  }

  use(layout: WallLayout): void {
    this.layout = layout;
    this.size = layout.tiles;
    this.dwell_s = layout.dwell_s;
    this.enlarged = null;
    this.places = Array.from({ length: 16 }, (_, tile) => [...(layout.places[tile] ?? [])]);
    this.steps = Array(16).fill(0);
    this.held = Array(16).fill(false);
  }
  get form() {
    const places = this.places.slice(0, this.size).map((place) => [...place]);
    return { tiles: this.size, places, dwell_s: this.dwell_s };
  }
}
