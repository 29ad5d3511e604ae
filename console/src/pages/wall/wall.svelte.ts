/** One wall: its tiles, the one view they all stand under, and the clock by which tiles step through their cameras. */
import { api, ApiError } from '$lib/api/client';
import type { View } from '$lib/api/types';
import { playableCodecs, type OpenedView, type PlayerSample } from '$lib/player/live';
import { now } from '$lib/state/now.svelte';
import { fillPages, pageCount, TILES } from './pages';
import { Relief } from './relief';

export type Which = 'main' | 'sub';
export const SIZES: readonly number[] = [1, 4, 9, 16];

export interface WallLayout {
  id: string;
  owner_id: string;
  name: string;
  tiles: number;
  places: string[][];
  dwell_s: number;
  together: boolean;
  shared: boolean;
  jurisdiction_id: string | null;
  version: number;
}

/** Addresses asked for within this time are asked for in one request. */
const GATHER_MS = 20;

interface Asked {
  camera: string;
  which: Which;
  resolve: (opened: OpenedView) => void;
  reject: (error: unknown) => void;
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
  /** All tiles change page together: page n shows the n-th camera of each tile. */
  isTogether = $state(false);
  page = $state(0);
  /** How many steps each tile gave up because the page cannot show everything. */
  relieved = $state<number[]>(Array(TILES).fill(0));
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
  #relief = new Relief();
  #asked: Asked[] = [];

  get isLooking(): boolean {
    return this.view !== null && !this.isOver;
  }
  camera(tile: number): string | null {
    const list = this.places[tile] ?? [];
    if (this.isTogether) return list[this.page] || null;
    const cameras = list.filter(Boolean);
    return cameras.length === 0 ? null : (cameras[(this.steps[tile] ?? 0) % cameras.length] ?? null);
  }
  get pages(): number {
    return pageCount(this.places, this.size);
  }
  get shown(): string[] {
    return Array.from({ length: this.size }, (_, tile) => this.camera(tile)).flatMap((id) => (id === null ? [] : [id]));
  }
  isLarge(tile: number): boolean {
    return this.size === 1 || this.enlarged === tile;
  }
  /** The main stream in a large tile, unless the page cannot show it. */
  stream(tile: number): Which {
    return this.isLarge(tile) && this.relieved[tile] === 0 ? 'main' : 'sub';
  }
  /** Another tile is enlarged and covers this one. */
  isCovered(tile: number): boolean {
    return this.enlarged !== null && this.enlarged !== tile;
  }
  /** Key frames alone: the last a tile gives up, and enough for one that is covered. */
  isKeysOnly(tile: number): boolean {
    return this.isCovered(tile) || (this.relieved[tile] ?? 0) >= (this.isLarge(tile) ? 2 : 1);
  }

  put(tile: number, camera: string, isAdded = false): void {
    const list = this.places[tile] ?? [];
    if (this.isTogether) {
      const at = isAdded ? list.length : this.page;
      this.places[tile] = Array.from({ length: Math.max(list.length, at + 1) }, (_, n) => (n === at ? camera : (list[n] ?? '')));
      return;
    }
    this.places[tile] = isAdded ? [...list.filter((one) => one !== camera), camera] : [camera];
    if (!isAdded) this.steps[tile] = 0;
  }
  clear(tile: number): void {
    this.places[tile] = this.isTogether ? (this.places[tile] ?? []).map((one, n) => (n === this.page ? '' : one)) : [];
    if (this.enlarged === tile) this.enlarged = null;
  }
  /** Puts cameras on pages that change together. */
  fill(cameras: readonly string[]): void {
    this.places = fillPages(cameras, this.size);
    this.isTogether = true;
    this.page = 0;
    this.enlarged = null;
    this.#stepped_ms = now.exact();
  }
  turn(by: number): void {
    const count = this.pages;
    if (count < 2) return;
    this.page = (this.page + by + count) % count;
    this.enlarged = null;
    this.#stepped_ms = now.exact();
  }
  setTogether(isTogether: boolean): void {
    this.isTogether = isTogether;
    this.page = 0;
    this.#stepped_ms = now.exact();
  }
  step(tile: number, by: number): void {
    if (this.isTogether) {
      this.turn(by);
      return;
    }
    const count = this.places[tile]?.filter(Boolean).length ?? 0;
    if (count > 1) this.steps[tile] = ((this.steps[tile] ?? 0) + by + count) % count;
  }
  /** Called each second: tiles that are not held step together when their time is over. */
  tick(): void {
    const at_ms = now.exact();
    if (this.view && at_ms >= this.view.ends_ms && !this.isOver) this.isOver = true;
    this.#relieve(at_ms);
    if (this.isHeld || !this.isLooking || document.hidden || at_ms - this.#stepped_ms < this.dwell_s * 1000) return;
    this.#stepped_ms = at_ms;
    if (this.isTogether) {
      if (this.enlarged === null) this.turn(1);
      return;
    }
    for (let tile = 0; tile < this.size; tile++) if (!this.held[tile] && this.enlarged !== tile) this.step(tile, 1);
  }

  /** A tile says how the page keeps up. */
  sample(tile: number, sample: PlayerSample): void {
    if (!this.isCovered(tile)) this.#relief.note(tile, sample, now.exact());
  }
  /** A tile has another size: it begins with everything. */
  anew(tile: number): void {
    this.#relief.begin(tile, now.exact());
    if (this.relieved[tile]) this.relieved[tile] = 0;
  }
  #relieve(at_ms: number): void {
    if (!this.isLooking || document.hidden) return;
    const most = (tile: number) => (this.isLarge(tile) ? 2 : 1);
    const spared = new Set([this.focused, ...(this.enlarged === null ? [] : [this.enlarged])]);
    if (this.#relief.settle(most, spared, at_ms))
      this.relieved = Array.from({ length: TILES }, (_, tile) => this.#relief.level(tile));
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
    const id = this.view?.id;
    if (!id) return;
    try {
      const answer = await api.post<View>(`/views/${id}/renew`, { minutes });
      if (this.view?.id === id) this.#take(answer, {});
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
    return new Promise((resolve, reject) => {
      if (this.#asked.length === 0) setTimeout(() => void this.#askAll(), GATHER_MS);
      this.#asked.push({ camera, which, resolve, reject });
    });
  }

  /** Asks for what tiles want in one request for each kind; what is refused together is asked for one by one. */
  async #askAll(): Promise<void> {
    const asked = this.#asked;
    this.#asked = [];
    const known = new Set(this.view?.channels);
    const isIn = (one: Asked) => known.has(one.camera);
    const seen = new Set<string>();
    // A camera in two tiles is asked for twice: an address is good once.
    const twice = asked.filter((one) => seen.size === seen.add(one.camera).size);
    const once = asked.filter((one) => !twice.includes(one));
    const groups = [once.filter(isIn), once.filter((one) => !isIn(one))].filter((group) => group.length > 0);
    await Promise.all(groups.map((group) => this.#askGroup(group)));
    for (const one of twice) await this.#askGroup([one]);
  }
  async #askGroup(group: readonly Asked[]): Promise<void> {
    const view = this.view;
    try {
      if (!view || this.isOver) throw new ApiError('blocked', 0, '', '');
      const streams = Object.fromEntries(group.map((one) => [one.camera, one.which]));
      const isIn = group.every((one) => view.channels.includes(one.camera));
      const answer = isIn
        ? await api.post<View>(`/views/${view.id}/streams`, { streams, codecs: playableCodecs() })
        : await api.post<View>(`/views/${view.id}/channels`, { channels: Object.keys(streams), streams, codecs: playableCodecs() });
      // Somebody ended the view meanwhile: it does not come back with a late answer.
      if (this.view?.id !== view.id || this.isOver) throw new ApiError('blocked', 0, '', '');
      this.#take(answer, {});
      for (const one of group) {
        const url = answer.live[one.camera];
        if (url) one.resolve({ id: answer.id, url });
        else if (group.length > 1) void this.#askGroup([one]); // alone it is told why
        else throw new ApiError('unavailable', 0, '', '');
      }
    } catch (error) {
      if (group.length === 1) group[0]?.reject(error);
      else await Promise.all(group.map((one) => this.#askGroup([one])));
    }
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
    this.isTogether = layout.together ?? false;
    this.page = 0;
    this.enlarged = null;
    this.places = Array.from({ length: 16 }, (_, tile) => [...(layout.places[tile] ?? [])]);
    this.steps = Array(16).fill(0);
    this.held = Array(16).fill(false);
  }
  get form() {
    const places = this.places.slice(0, this.size).map((place) => [...place]);
    return { tiles: this.size, places, dwell_s: this.dwell_s, together: this.isTogether };
  }
}
