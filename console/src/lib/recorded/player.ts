/**
 * One camera's recordings in a `<video>`, led by a wall clock: it fetches what is next, shows the picture of the clock's
 * moment and keeps step with it. Knows no framework. The way of it: design note 0019.
 */
import { MediaBuffer } from './buffer';
import { correct, endOf, RecordIndex, startOf, toMedia, toWall, WINDOW_MS, type Gap, type GroupRef, type TimeMap } from './index';
import type { RecordSource } from './source';

export type Phase = 'loading' | 'showing' | 'gap' | 'failed' | 'over';

export interface TileState {
  phase: Phase;
  /** Wall clock of the picture on screen. */
  shown_ms: number | null;
  gap: Gap | null;
  /** When recordings go on, in the direction of play; null when that is not known. */
  next_ms: number | null;
  /** The camera's clock less ours. */
  offset_ms: number | null;
  /** Why it failed: `h265` or another `codec` this browser cannot show. */
  reason: string;
  error: unknown;
  /** The clock need not wait for this tile. */
  isReady: boolean;
}

export interface PlayerOptions {
  period: { from_ms: number; to_ms: number };
  onState: (state: TileState) => void;
  /** Words for a failure that concerns one stretch alone. */
  words: (error: unknown) => string;
}

const AHEAD_S = 12;
const KEYS_AHEAD_S = 4;
const MOST_GROUPS = 8;
const MOST_BYTES = 4 << 20;
const MOST_KEYS = 16;
const CONTINUES = 2;
const RETRY_MS = 1_000;
const HOLE_S = 1;
const EPOCH_S = 1e6;

interface Mode {
  pace: number;
  direction: 1 | -1;
  isKeys: boolean;
}

type Job =
  | { kind: 'list'; from_ms: number; to_ms: number }
  | { kind: 'groups'; first: GroupRef; last: number; from_ms: number; to_ms: number };

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code ?? '');

export class RecordedPlayer {
  readonly index = new RecordIndex();
  #video: HTMLVideoElement;
  #source: RecordSource;
  #options: PlayerOptions;
  #buffer: MediaBuffer;
  #map: TimeMap;
  #mode: Mode = { pace: 1, direction: 1, isKeys: false };
  #epoch = 0;
  #target_ms: number;
  #rate = 1;
  #isPlaying = false;
  #isCorrecting = false;
  #isPumping = false;
  #isClosed = false;
  #job: { job: Job; stop: AbortController } | null = null;
  #sought_s: number | null = null;
  #shown_s: number | null = null;
  #retryAt = 0;
  #state: TileState = { phase: 'loading', shown_ms: null, gap: null, next_ms: null, offset_ms: null, reason: '', error: null, isReady: false };

  constructor(video: HTMLVideoElement, source: RecordSource, options: PlayerOptions) {
    this.#video = video;
    this.#source = source;
    this.#options = options;
    this.#buffer = new MediaBuffer(video);
    this.#target_ms = options.period.from_ms;
    this.#map = { origin_s: 0, base_ms: options.period.from_ms, pace: 1, direction: 1 };
    this.#watch();
  }

  /** The clock says where it is, how fast it goes (negative backwards) and whether it runs. */
  follow(at_ms: number, speed: number, isPlaying: boolean): void {
    if (this.#isClosed) return;
    const isKeys = speed < 0 || speed > 4;
    const mode: Mode = { isKeys, pace: isKeys ? Math.abs(speed) : 1, direction: speed < 0 ? -1 : 1 };
    if (mode.isKeys !== this.#mode.isKeys || mode.pace !== this.#mode.pace || mode.direction !== this.#mode.direction) this.#change(mode, at_ms);
    this.#target_ms = at_ms;
    this.#rate = isKeys ? 1 : speed;
    this.#isPlaying = isPlaying;
    const running = this.#job;
    if (running && !this.#isUseful(running.job)) running.stop.abort();
    this.#steer();
    void this.#pump();
  }

  /** The wall clock of the picture next to the one on screen; null when there is none. */
  async step(by: 1 | -1): Promise<number | null> {
    const shown_s = this.#shown_s ?? this.#video.currentTime;
    const ref = this.index.at(toWall(this.#map, shown_s) + 1);
    if (!ref) return null;
    const neighbour = by > 0 ? this.index.next(ref) : this.index.previous(ref);
    if (neighbour && !this.#has(neighbour)) {
      const from = this.#keyOf(neighbour);
      await this.#fetch({ kind: 'groups', first: from, last: neighbour.n, from_ms: startOf(from), to_ms: endOf(neighbour) });
    }
    const frames = this.#buffer.frames;
    let at = -1;
    while (at + 1 < frames.length && (frames[at + 1] ?? 0) <= shown_s + 0.002) at++;
    const next = frames[at + by];
    const next_ms = next === undefined ? null : toWall(this.#map, next);
    // Inside this group, or the neighbour's nearest picture; what lies beyond is not next to it.
    const nearest_ms = neighbour === null ? null : by > 0 ? startOf(neighbour) : endOf(neighbour);
    if (next_ms !== null && next_ms >= startOf(ref) - 5 && next_ms < endOf(ref) - 5) return next_ms + 2;
    if (nearest_ms === null) return null;
    return by > 0 ? nearest_ms + 2 : (next_ms !== null && neighbour && next_ms >= startOf(neighbour) - 5 ? next_ms + 2 : nearest_ms - 1);
  }

  close(): void {
    this.#isClosed = true;
    this.#job?.stop.abort();
    this.#buffer.close();
  }

  #change(mode: Mode, at_ms: number): void {
    this.#mode = mode;
    this.#epoch = (this.#epoch + 1) % 900;
    // In the middle of its stretch of media time: jumps lead both ways from here.
    const origin_s = this.#epoch * EPOCH_S + (mode.isKeys ? EPOCH_S / 2 : 0);
    this.#map = { origin_s, base_ms: mode.isKeys ? at_ms : this.#options.period.from_ms, pace: mode.pace, direction: mode.direction };
    this.#shown_s = null;
    this.#sought_s = null;
    this.#isCorrecting = false;
    this.#job?.stop.abort();
    void this.#buffer.clear();
  }

  #steer(): void {
    if (this.#state.phase === 'over') return;
    const video = this.#video;
    if (!this.index.isAsked(this.#target_ms)) {
      this.#show({ phase: 'loading', isReady: false, gap: null });
      return;
    }
    const ref = this.index.at(this.#target_ms);
    if (!ref) {
      if (!video.paused) video.pause();
      const next_ms = this.#mode.direction > 0 ? this.index.after(this.#target_ms) : this.index.before(this.#target_ms);
      this.#show({ phase: 'gap', gap: this.index.gap(this.#target_ms), next_ms, isReady: true, error: null });
      return;
    }
    const foreign = this.#foreign(ref);
    if (foreign) {
      if (!video.paused) video.pause();
      this.#show({ phase: 'failed', reason: foreign, gap: null, isReady: true, error: null });
      return;
    }
    let to_s = toMedia(this.#map, Math.max(this.#target_ms, this.#mode.direction > 0 ? startOf(ref) : 0));
    if (!this.#buffer.holds(to_s)) to_s = this.#buffer.nextFrom(to_s, HOLE_S / 2) ?? to_s;
    if (!this.#buffer.holds(to_s)) {
      if (video.readyState > 0) this.#jump(to_s);
      const isShown = this.#state.shown_ms !== null && this.#state.phase !== 'gap' && this.#state.phase !== 'failed';
      this.#show({ phase: isShown ? this.#state.phase : 'loading', isReady: false, gap: null });
      return;
    }
    const error_ms = (video.currentTime - to_s) * 1000;
    if (!this.#isPlaying) {
      if (!video.paused) video.pause();
      if (Math.abs(error_ms) > 5) this.#jump(to_s);
    } else {
      const next = correct(error_ms, this.#rate, this.#isCorrecting);
      this.#isCorrecting = next.isCorrecting;
      if (next.jump) this.#jump(to_s);
      else if (!this.#buffer.holds(video.currentTime + 0.02)) {
        const hole = this.#buffer.nextFrom(video.currentTime, HOLE_S);
        if (hole !== null) this.#jump(hole + 0.001);
      }
      if (Math.abs(video.playbackRate - next.rate) > 0.001) video.playbackRate = next.rate;
      if (video.paused) video.play().catch(() => undefined);
    }
    const isReady = video.readyState >= 2 && !video.seeking && Math.abs(error_ms) < 1_000;
    this.#show({
      phase: isReady || this.#state.shown_ms !== null ? 'showing' : 'loading',
      gap: null,
      error: null,
      isReady,
      offset_ms: ref.segment.clock_offset_ms,
    });
  }

  #jump(to_s: number): void {
    const video = this.#video;
    if (video.seeking && this.#sought_s !== null && Math.abs(this.#sought_s - to_s) < (this.#isPlaying ? 1 : 0.005)) return;
    this.#sought_s = to_s;
    video.currentTime = to_s;
  }

  /** Tells which picture is on screen, each time another one is. */
  #watch(): void {
    this.#video.requestVideoFrameCallback((_now, picture) => {
      if (this.#isClosed) return;
      if (Math.floor(picture.mediaTime / EPOCH_S + 1e-9) === this.#epoch) {
        this.#shown_s = picture.mediaTime;
        let shown_ms = toWall(this.#map, picture.mediaTime);
        if (this.#mode.isKeys) {
          const ref = this.index.at(shown_ms + (this.#mode.direction < 0 ? -1 : 1));
          if (ref) shown_ms = startOf(this.#keyOf(ref));
        }
        this.#show({ shown_ms, phase: this.#state.phase === 'loading' ? 'showing' : this.#state.phase });
      }
      this.#watch();
    });
  }

  /** Why this browser cannot show a group; empty when it can. */
  #foreign(ref: GroupRef): '' | 'h265' | 'codec' {
    const codec = this.index.codecs.get(ref.segment.codec_no);
    if (!codec || MediaBuffer.canShow(codec.mime)) return '';
    return /"h[ve][cv]1/.test(codec.mime) ? 'h265' : 'codec';
  }

  // --- fetching ---

  #has(ref: GroupRef | null): boolean {
    return ref !== null && this.#buffer.holds(toMedia(this.#map, (startOf(ref) + endOf(ref)) / 2));
  }

  /** The group a decoder has to begin with to show one. */
  #keyOf(ref: GroupRef): GroupRef {
    let found = ref;
    while (found.n > 0 && (found.segment.groups[found.n]?.[3] ?? 0) & CONTINUES) found = { segment: found.segment, n: found.n - 1 };
    return found;
  }

  #ahead_ms(): number {
    return this.#mode.isKeys ? KEYS_AHEAD_S * 1000 * this.#mode.pace : AHEAD_S * 1000 * Math.max(1, this.#rate);
  }

  #isUseful(job: Job): boolean {
    const far = this.#target_ms + this.#mode.direction * this.#ahead_ms();
    const from = Math.min(this.#target_ms, far) - 5_000;
    const to = Math.max(this.#target_ms, far) + 5_000;
    return job.kind === 'list' ? this.#target_ms >= job.from_ms - this.#ahead_ms() && this.#target_ms < job.to_ms + this.#ahead_ms() : job.to_ms > from && job.from_ms < to;
  }

  #window(at_ms: number): Job | null {
    const { from_ms, to_ms } = this.#options.period;
    if (at_ms < from_ms || at_ms >= to_ms || this.index.isAsked(at_ms)) return null;
    const begin = Math.floor(at_ms / WINDOW_MS) * WINDOW_MS;
    return { kind: 'list', from_ms: Math.max(begin, from_ms), to_ms: Math.min(begin + WINDOW_MS, to_ms) };
  }

  #next(): Job | null {
    if (performance.now() < this.#retryAt) return null;
    const { direction, isKeys } = this.#mode;
    const known = this.#window(this.#target_ms);
    if (known) return known;
    const until_ms = this.#target_ms + direction * this.#ahead_ms();
    let ref = this.index.at(this.#target_ms);
    let isFirst = true;
    while (ref && (direction > 0 ? startOf(ref) < until_ms : endOf(ref) > until_ms)) {
      if (this.#foreign(ref)) break; // the clock comes to it, or passes it
      if (!this.#has(ref)) return isKeys ? this.#keysFrom(ref) : this.#groupsFrom(ref, isFirst ? 1 : MOST_GROUPS);
      isFirst = false;
      ref = direction > 0 ? this.index.next(ref) : this.index.previous(ref);
    }
    return this.#window(until_ms);
  }

  #groupsFrom(ref: GroupRef, most: number): Job {
    const first = this.#keyOf(ref);
    let last = ref.n;
    let bytes = 0;
    for (let n = first.n; n < ref.segment.groups.length; n++) {
      const one = { segment: ref.segment, n };
      bytes += ref.segment.groups[n]?.[2] ?? 0;
      if (n > ref.n && (n - ref.n >= most || bytes > MOST_BYTES || this.#has(one) || this.index.isLeftOut(one))) break;
      last = n;
    }
    return { kind: 'groups', first, last, from_ms: startOf(first), to_ms: endOf({ segment: ref.segment, n: last }) };
  }

  #keysFrom(ref: GroupRef): Job {
    const key = this.#keyOf(ref);
    const { direction } = this.#mode;
    let first = key.n;
    let last = ref.n;
    for (let count = 1; count < MOST_KEYS; count++) {
      const n = direction > 0 ? last + 1 : first - 1;
      const one = { segment: ref.segment, n };
      if (n < 0 || n >= ref.segment.groups.length || this.#has(one) || this.index.isLeftOut(one)) break;
      if (direction > 0) last = n;
      else first = n;
    }
    if (direction < 0) first = this.#keyOf({ segment: ref.segment, n: first }).n;
    const begin = { segment: ref.segment, n: first };
    return { kind: 'groups', first: begin, last, from_ms: startOf(begin), to_ms: endOf({ segment: ref.segment, n: last }) };
  }

  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      for (let job = this.#next(); job && !this.#isClosed; job = this.#next()) await this.#fetch(job);
    } finally {
      this.#isPumping = false;
    }
  }

  async #fetch(job: Job): Promise<void> {
    const stop = new AbortController();
    this.#job = { job, stop };
    const epoch = this.#epoch;
    try {
      if (job.kind === 'list') this.index.add(await this.#source.list(job.from_ms, job.to_ms, stop.signal));
      else await this.#bring(job.first, job.last, epoch, stop.signal);
    } catch (error) {
      if (!this.#isClosed && !stop.signal.aborted) this.#fail(job, error);
    } finally {
      if (this.#job?.stop === stop) this.#job = null;
    }
    if (!this.#isClosed) this.#steer();
  }

  async #bring(first: GroupRef, last: number, epoch: number, signal: AbortSignal): Promise<void> {
    const { segment } = first;
    const codec = this.index.codecs.get(segment.codec_no);
    if (!codec) throw new DOMException('no codec', 'DataError');
    const init = this.#source.init(segment.codec_no);
    let data: ArrayBuffer;
    let offset_s: number;
    if (this.#mode.isKeys) {
      const { pace, direction } = this.#mode;
      const found = await this.#source.keys(segment.start_ms, first.n, last, pace, direction < 0, signal);
      data = found.data;
      offset_s = toMedia(this.#map, direction < 0 ? endOf({ segment, n: last }) : startOf(first));
    } else {
      data = await this.#source.groups(first, last, signal);
      offset_s = toMedia(this.#map, segment.start_ms);
    }
    if (epoch !== this.#epoch || this.#isClosed) return;
    await this.#buffer.append(String(codec.no), codec.mime, await init, data, offset_s);
    this.#leaveOutMissing(first, last);
  }

  /** What was put in and is not there would be asked for again and again. */
  #leaveOutMissing(first: GroupRef, last: number): void {
    const { segment } = first;
    const from = this.#mode.direction > 0 ? first.n : last;
    if (this.#has({ segment, n: from })) return;
    if (this.#mode.isKeys && this.#buffer.nextFrom(toMedia(this.#map, startOf({ segment, n: from })), 60) !== null) return;
    this.#lose(first, last, '');
  }

  #lose(first: GroupRef, last: number, words: string): void {
    const { segment } = first;
    for (let n = first.n; n <= last; n++) this.index.leaveOut({ segment, n });
    this.index.gaps.push({ from_ms: startOf(first), to_ms: endOf({ segment, n: last }), reason: 'gone', words });
    this.index.gaps.sort((a, b) => a.from_ms - b.from_ms);
  }

  #fail(job: Job, error: unknown): void {
    const code = codeOf(error);
    if (code === 'forbidden' || code === 'not_found' || code === 'unauthenticated') {
      this.#retryAt = Infinity;
      this.#show({ phase: 'over', error, isReady: true });
      return;
    }
    if (job.kind === 'groups' && (code === 'unavailable' || error instanceof DOMException)) {
      this.#lose(job.first, job.last, this.#options.words(error));
      return;
    }
    this.#retryAt = performance.now() + RETRY_MS;
    this.#show({ error, isReady: false });
  }

  #show(change: Partial<TileState>): void {
    const next = { ...this.#state, ...change };
    const isSame = (Object.keys(change) as (keyof TileState)[]).every((key) => this.#state[key] === next[key]);
    if (isSame) return;
    this.#state = next;
    this.#options.onState(next);
  }
}
