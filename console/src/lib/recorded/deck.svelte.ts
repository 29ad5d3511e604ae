/** Up to nine cameras on one wall clock, under one view over recordings. */
import { api } from '$lib/api/client';
import type { View } from '$lib/api/types';
import { errorWords } from '$lib/api/words';
import { now } from '$lib/state/now.svelte';
import { RecordedPlayer, type TileState } from './player';
import { ViewSource, type Which } from './source';

export const MOST_TILES = 9;
export const SPEEDS: readonly number[] = [-16, -8, -4, -2, -1, 0.25, 0.5, 1, 2, 4, 8, 16];
const TICK_MS = 100;
const SKIP_MS = 1_200;

export interface Looking {
  id: string;
  ends_ms: number;
  from_ms: number;
  to_ms: number;
  /** For how long it was asked for, each time; 0 where somebody else renews it. */
  minutes: number;
}

const NOTHING: TileState = { phase: 'loading', shown_ms: null, gap: null, next_ms: null, offset_ms: null, reason: '', error: null, isReady: false };

export class Deck {
  cameras = $state.raw<readonly string[]>([]);
  /** Which stream of a camera is played. */
  streamOf: (camera: string) => Which = () => 'main';
  view = $state.raw<Looking | null>(null);
  /** The clock. */
  at_ms = $state(0);
  speed = $state(1);
  isPlaying = $state(false);
  waitsForAll = $state(false);
  /** The clock stands because pictures are not there yet. */
  isHeld = $state(false);
  /** The view ended by itself. */
  isOver = $state(false);
  isAtEnd = $state(false);
  states = $state.raw<Readonly<Record<string, TileState>>>({});
  #players = new Map<string, RecordedPlayer>();
  #anchor = { wall_ms: 0, page_ms: 0 };
  #isOwn = true;
  #gapSince: number | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  state(camera: string): TileState {
    return this.states[camera] ?? NOTHING;
  }

  /** Asks for the view all tiles stand under. Errors: what the server says. */
  async begin(purpose: string, minutes: number, from_ms: number, to_ms: number, at_ms: number, incident = ''): Promise<void> {
    this.end();
    this.isOver = false;
    const opened = await api.post<View>('/views', {
      channels: [...this.cameras],
      purpose,
      minutes,
      ...(incident ? { incident_id: incident } : {}),
      recordings: { starts_at: new Date(from_ms).toISOString(), ends_at: new Date(to_ms).toISOString() },
    });
    this.#look({ id: opened.id, ends_ms: Date.parse(opened.expires_at), from_ms, to_ms, minutes }, at_ms, true);
  }

  /** Goes on looking: the view lasts as long again from now. Errors: what the server says. */
  async renew(): Promise<void> {
    const view = this.view;
    if (!view || view.minutes === 0) return;
    const renewed = await api.post<View>(`/views/${view.id}/renew`, { minutes: view.minutes });
    const known = this.view;
    if (known?.id === view.id) this.view = { ...known, ends_ms: Date.parse(renewed.expires_at) };
  }

  /** Plays under a view somebody else opened and will end. */
  join(view: Looking, at_ms: number): void {
    this.end();
    this.#look(view, at_ms, false);
  }

  #look(view: Looking, at_ms: number, isOwn: boolean): void {
    this.isOver = this.isAtEnd = false;
    this.view = view;
    this.#isOwn = isOwn;
    this.states = {};
    this.#set(at_ms);
    this.isPlaying = true;
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** A tile is there: gives its camera a player. Returns the end of it. */
  attach(camera: string, video: HTMLVideoElement): () => void {
    const view = this.view;
    if (!view) return () => undefined;
    const player = new RecordedPlayer(video, new ViewSource(view.id, camera, this.streamOf(camera)), {
      period: view,
      words: (error) => errorWords(error).what,
      onState: (state) => {
        if (this.#players.get(camera) !== player) return;
        this.states = { ...this.states, [camera]: state };
        if (state.phase === 'over') this.over();
      },
    });
    this.#players.set(camera, player);
    this.#tell();
    return () => {
      if (this.#players.get(camera) === player) this.#players.delete(camera);
      player.close();
    };
  }

  /** The player of a camera, for what knows more than the clock. */
  player(camera: string): RecordedPlayer | undefined {
    return this.#players.get(camera);
  }

  end(): void {
    clearInterval(this.#timer);
    for (const player of this.#players.values()) player.close();
    this.#players.clear();
    const left = this.view;
    this.view = null;
    this.isPlaying = this.isHeld = false;
    this.states = {};
    if (left && this.#isOwn) void api.delete(`/views/${left.id}`).catch(() => undefined);
  }

  /** Its time is over, or somebody ended it: nothing stays on screen. */
  over(): void {
    if (!this.view) return;
    const ended = this.view;
    this.view = null;
    this.isOver = true;
    clearInterval(this.#timer);
    for (const player of this.#players.values()) player.close();
    this.#players.clear();
    this.isPlaying = this.isHeld = false;
    this.states = {};
    if (this.#isOwn) void api.delete(`/views/${ended.id}`).catch(() => undefined);
  }

  hear(viewId: string): void {
    if (this.view?.id === viewId) this.over();
  }

  seek(at_ms: number): void {
    this.isAtEnd = false;
    this.#gapSince = null;
    this.#set(at_ms);
    this.#tell();
  }

  play(isPlaying: boolean): void {
    if (isPlaying && this.isAtEnd) return;
    this.#set(this.#position());
    this.isPlaying = isPlaying;
    this.#tell();
  }

  setSpeed(speed: number): void {
    this.isAtEnd = false;
    this.#set(this.#position());
    this.speed = speed;
    this.#tell();
  }

  /** As editors have it: each press goes on twice as fast in that direction. */
  shuttle(direction: 1 | -1): void {
    const isSame = Math.sign(this.speed) === direction;
    if (!this.isPlaying || !isSame) this.setSpeed(direction);
    else this.setSpeed(direction * Math.min(16, Math.abs(this.speed) * 2));
    this.play(true);
  }

  faster(by: 1 | -1): void {
    const at = SPEEDS.indexOf(this.speed);
    const next = SPEEDS[Math.min(Math.max(at + by, 0), SPEEDS.length - 1)];
    if (next !== undefined) this.setSpeed(next);
  }

  /** Goes to the picture before or behind that of a camera. */
  async step(by: 1 | -1, camera: string): Promise<void> {
    this.play(false);
    if (this.speed < 0 || this.speed > 4) this.setSpeed(1);
    const at_ms = await this.#players.get(camera)?.step(by);
    if (at_ms !== null && at_ms !== undefined) this.seek(at_ms);
  }

  /** The next recording of any camera in a direction. */
  nearest(direction: 1 | -1): number | null {
    const found = [...this.#players.values()].flatMap((player) => {
      const at = direction > 0 ? player.index.after(this.at_ms + 1) : player.index.before(this.at_ms);
      return at === null ? [] : [at];
    });
    return found.length === 0 ? null : direction > 0 ? Math.min(...found) : Math.max(...found);
  }

  tick(): void {
    const view = this.view;
    if (!view) return;
    if (now.exact() >= view.ends_ms) {
      this.over();
      return;
    }
    const states = this.cameras.map((camera) => this.state(camera));
    const seen = states.filter((state) => state.phase === 'loading' || state.phase === 'showing');
    const behind = seen.filter((state) => !state.isReady);
    const isHeld = seen.length > 0 && (this.waitsForAll || this.cameras.length === 1 ? behind.length > 0 : behind.length === seen.length);
    if (isHeld !== this.isHeld) {
      this.#set(this.#position());
      this.isHeld = isHeld;
    }
    let at_ms = this.#position();
    if (this.isPlaying && states.length > 0 && states.every((state) => state.phase === 'gap')) {
      this.#gapSince ??= performance.now();
      if (performance.now() - this.#gapSince > SKIP_MS) {
        this.#gapSince = null;
        const next = this.nearest(this.speed < 0 ? -1 : 1);
        if (next === null || next >= view.to_ms || next < view.from_ms) {
          this.isPlaying = false;
          this.isAtEnd = true;
          this.#set(at_ms);
        } else this.#set((at_ms = next));
      }
    } else this.#gapSince = null;
    if (this.isPlaying && (at_ms >= view.to_ms - 40 || at_ms <= view.from_ms) && (this.speed < 0 ? at_ms <= view.from_ms : at_ms > view.from_ms)) {
      this.isPlaying = false;
      this.isAtEnd = true;
      at_ms = Math.min(Math.max(at_ms, view.from_ms), view.to_ms - 40);
      this.#set(at_ms);
    }
    this.at_ms = this.#position();
    this.#tell();
  }

  #position(): number {
    const moved_ms = this.isPlaying && !this.isHeld ? (performance.now() - this.#anchor.page_ms) * this.speed : 0;
    return this.#anchor.wall_ms + moved_ms;
  }

  #set(at_ms: number): void {
    const view = this.view;
    const wall_ms = view ? Math.min(Math.max(at_ms, view.from_ms), view.to_ms - 1) : at_ms;
    this.#anchor = { wall_ms, page_ms: performance.now() };
    this.at_ms = wall_ms;
  }

  #tell(): void {
    const at_ms = this.#position();
    for (const player of this.#players.values()) player.follow(at_ms, this.speed, this.isPlaying && !this.isHeld);
  }
}
