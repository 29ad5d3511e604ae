/** Control of one camera: taken by the first movement, renewed while it is used, given back with the page. */
import { untrack } from 'svelte';
import * as m from '$m';
import { api, ApiError } from '$lib/api/client';
import { errorWords } from '$lib/api/words';
import { feed } from '$lib/feed/feed.svelte';
import { session } from '$lib/state/session.svelte';
import { toasts } from '$lib/state/toasts.svelte';
import { isSame, isStill, STILL, type Move, type Rectangle } from './speeds';

export interface Preset {
  number: number;
  name: string;
  name_en: string;
  is_home: boolean;
  home_after_s: number | null;
  version: number;
}

interface Held {
  held_by: { user_id: string; name: string } | null;
  since: string | null;
  lease_expires_at: string | null;
  reason: string;
  by: string;
}

interface State extends Held {
  can_move: boolean;
  may_take_over: boolean;
  presets: Preset[];
}

/** The server stops a movement that is not renewed within two seconds. */
const RENEW_MS = 700;
const USUAL_SPEED = 0.5;

export class CameraControl {
  held = $state.raw<Held | null>(null);
  presets = $state.raw<Preset[]>([]);
  /** Shares of the fastest, for keys and buttons. */
  speed = $state(USUAL_SPEED);
  problem = $state('');
  /** The server says so: whoever looks now goes before the holder. */
  mayTakeOver = $state(false);
  isDrawing = $state(false);
  isWiping = $state(false);
  isReady = $state(false);
  /** The open view of this camera's picture, as the player reports it. */
  viewId = $state('');

  isMine = $derived(this.held?.held_by != null && this.held.held_by.user_id === session.user?.id);
  holder = $derived(this.held?.held_by && !this.isMine ? this.held.held_by.name : '');
  home = $derived(this.presets.find((preset) => preset.is_home) ?? null);

  /** The control a joystick moves: the one used last. */
  static #active: CameraControl | null = null;

  #wanted: Move = STILL;
  #sent: Move = STILL;
  #isSending = false;
  #renewal: ReturnType<typeof setInterval> | undefined;
  #offs: (() => void)[] = [];

  /** `forImage`: a camera that cannot move is held for the sake of its picture settings. */
  constructor(
    readonly channel: string,
    readonly forImage = false,
  ) {}

  get isActive(): boolean {
    return CameraControl.#active === this;
  }

  get #path(): string {
    return `/cameras/${this.channel}/control`;
  }

  /** Listens and reads; returns the end, which stops the camera and gives control back. */
  start(): () => void {
    this.#offs = [
      feed.on('control.changed', (frame) => {
        if (frame.id === this.channel) this.#hear(frame.data as Held);
      }),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    // Whoever looks now may go before the holder: that is known only once a view is open.
    const stop = $effect.root(() => {
      $effect(() => {
        if (this.viewId) untrack(() => void this.read());
      });
    });
    this.#offs.push(stop);
    return () => this.#end();
  }

  async read(): Promise<void> {
    try {
      const state = await api.get<State>(this.#path, { view_id: this.viewId });
      this.held = state;
      this.mayTakeOver = state.may_take_over;
      this.presets = state.presets;
      this.isReady = state.can_move;
    } catch (error) {
      this.problem = errorWords(error).what;
    }
  }

  /** Moves until told otherwise; the first movement takes control when nobody has it. */
  steer(move: Move): void {
    CameraControl.#active = this;
    if (isSame(move, this.#wanted)) return;
    this.#wanted = move;
    clearInterval(this.#renewal);
    if (!isStill(move)) this.#renewal = setInterval(() => void this.#send(true), RENEW_MS);
    void this.#send(false);
  }

  stop(): void {
    this.steer(STILL);
  }

  /** One stop, whatever runs; true once the camera has taken it. */
  async halt(): Promise<boolean> {
    this.#rest();
    return (await this.#held(() => api.post(`${this.#path}/move`, { ...STILL }))) !== null;
  }

  async take(isOver = false): Promise<boolean> {
    if (this.isMine) return true;
    if (!this.viewId) {
      this.problem = m.control_no_picture();
      return false;
    }
    try {
      this.held = await api.post<Held>(this.#path, { view_id: this.viewId, take_over: isOver, for_image: this.forImage });
      this.problem = '';
      this.mayTakeOver = false;
      return true;
    } catch (error) {
      this.mayTakeOver = error instanceof ApiError && error.params.may_take_over === true;
      this.#say(error);
      if (error instanceof ApiError && error.code === 'conflict') void this.read();
      return false;
    }
  }

  async release(): Promise<void> {
    this.#rest();
    if (this.isMine) await this.#try(() => api.delete(this.#path));
  }

  async act(name: string, fields: Record<string, unknown> = {}): Promise<boolean> {
    return (await this.#held(() => api.post(`${this.#path}/acts`, { act: name, ...fields }))) !== null;
  }

  async wipe(isOn: boolean): Promise<void> {
    if (await this.act('wiper', { on: isOn })) this.isWiping = isOn;
  }

  async zoomTo(rectangle: Rectangle, isIn: boolean): Promise<void> {
    await this.act('drag_zoom', { in: isIn, ...rectangle });
  }

  async call(preset: Preset): Promise<void> {
    await this.#held(() => api.post(`${this.#path}/presets/${preset.number}/call`));
  }

  async savePreset(name: string, nameEn: string, number: number | null): Promise<boolean> {
    const body = { name, name_en: nameEn, ...(number === null ? {} : { number }) };
    const saved = await this.#held(() => api.post<Preset>(`${this.#path}/presets`, body));
    if (saved) await this.read();
    return saved !== null;
  }

  async rename(preset: Preset, name: string, nameEn: string): Promise<boolean> {
    const body = { version: preset.version, name, name_en: nameEn };
    const renamed = await this.#try(() => api.patch<Preset>(`${this.#path}/presets/${preset.number}`, body));
    await this.read();
    return renamed !== null;
  }

  async setHome(preset: Preset | null, afterS: number): Promise<boolean> {
    const body = { number: preset?.number ?? null, after_s: afterS };
    const found = await this.#held(() => api.put<{ items: Preset[] }>(`${this.#path}/home`, body));
    if (found) this.presets = found.items;
    return found !== null;
  }

  async remove(preset: Preset, name: string): Promise<void> {
    const path = `${this.#path}/presets/${preset.number}`;
    const isGone = await this.#try(async () => {
      await api.delete(`${path}?version=${preset.version}`);
      return true;
    });
    await this.read();
    if (!isGone) return;
    toasts.say(m.control_preset_deleted({ name }), {
      undo: async () => {
        await this.#try(() => api.post(`${path}/restore`));
        await this.read();
      },
    });
  }

  async askPresets(): Promise<void> {
    const found = await this.#held(() => api.post<{ items: Preset[] }>(`${this.#path}/presets/read`));
    if (!found) return;
    toasts.say(m.control_presets_read({ n: found.items.length }), { tone: 'ok' });
    this.presets = found.items;
  }

  /** One request at a time and always the newest wish: a stop must not overtake the movement it ends. */
  async #send(isRenewal: boolean): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    try {
      while (isRenewal || !isSame(this.#wanted, this.#sent)) {
        isRenewal = false;
        const move = this.#wanted;
        if (!isStill(move) && !this.isMine && !(await this.take())) {
          this.#rest();
          return;
        }
        if (isStill(move) && !this.isMine) {
          this.#sent = STILL;
          return;
        }
        this.#sent = move;
        await api.post(`${this.#path}/move`, { ...move });
        this.problem = '';
      }
    } catch (error) {
      this.#say(error);
      if (error instanceof ApiError && error.code === 'conflict') this.#rest();
      if (error instanceof ApiError && error.code === 'conflict') void this.read();
    } finally {
      this.#isSending = false;
      if (!isSame(this.#wanted, this.#sent)) void this.#send(false);
    }
  }

  #hear(held: Held): void {
    const wasMine = this.isMine;
    this.held = held;
    this.mayTakeOver = false;
    if (this.holder) void this.read();
    if (!wasMine || this.isMine) return;
    this.#rest();
    const name = held.held_by?.name ?? '';
    if (name) toasts.say(m.control_taken_over({ name }), { tone: 'act' });
  }

  #rest(): void {
    clearInterval(this.#renewal);
    this.#wanted = this.#sent = STILL;
  }

  #end(): void {
    this.#offs.forEach((off) => off());
    if (CameraControl.#active === this) CameraControl.#active = null;
    void this.release();
  }

  async #held<T>(work: () => Promise<T>): Promise<T | null | undefined> {
    CameraControl.#active = this;
    return (await this.take()) ? this.#try(work) : null;
  }

  /** What the work gave, or null with the reason said. */
  async #try<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      const done = await work();
      this.problem = '';
      return done;
    } catch (error) {
      this.#say(error);
      return null;
    }
  }

  #say(error: unknown): void {
    const words = errorWords(error);
    this.problem = [words.what, words.next].filter(Boolean).join(' ');
  }
}
