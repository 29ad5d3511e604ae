/** One `<video>` and its media source: pieces are put where they belong, one after the other. Knows no framework. */
import { readFragments, timescaleOf } from './fragments';

/** Longer than any media time used; without an end a source lets nobody jump beyond what it holds. */
const LENGTH_S = 1e9;
const KEPT_BEHIND_S = 30;

export class MediaBuffer {
  #video: HTMLVideoElement;
  #source: MediaSource | null = null;
  #buffer: SourceBuffer | null = null;
  #url = '';
  #codec = '';
  #timescale = 90_000;
  #chain: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  /** When pictures begin, media seconds, sorted. */
  frames: number[] = [];

  constructor(video: HTMLVideoElement) {
    this.#video = video;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
  }

  static canShow(mime: string): boolean {
    return kind()?.isTypeSupported(mime) ?? false;
  }

  /** Puts fragments at `offset_s`; `init` belongs to `codec` and is given to the decoder when that changes. */
  append(codec: string, mime: string, init: ArrayBuffer, data: ArrayBuffer, offset_s: number): Promise<void> {
    return this.#inTurn(async () => {
      const buffer = await this.#ready(mime);
      if (this.#codec !== codec) {
        if (this.#codec) buffer.changeType(mime);
        this.#codec = codec;
        this.#timescale = timescaleOf(init);
        await this.#give(buffer, init);
      }
      buffer.timestampOffset = offset_s;
      try {
        await this.#give(buffer, data);
      } catch (error) {
        if (!(error instanceof DOMException && error.name === 'QuotaExceededError')) throw error;
        const at_s = this.#video.currentTime;
        await this.#cut(buffer, 0, at_s - 1);
        await this.#cut(buffer, at_s + 10, LENGTH_S);
        await this.#give(buffer, data);
      }
      const shown = readFragments(data).flatMap((one) => one.shown.map((time) => offset_s + time / this.#timescale));
      this.frames = [...new Set([...this.frames, ...shown.map((at) => Math.round(at * 1e6) / 1e6)])].sort((a, b) => a - b);
      const behind_s = this.#video.currentTime - KEPT_BEHIND_S;
      if (behind_s > 0 && buffer.buffered.length > 0 && buffer.buffered.start(0) < behind_s - KEPT_BEHIND_S) await this.#cut(buffer, 0, behind_s);
    });
  }

  /** Forgets everything that was put in. */
  clear(): Promise<void> {
    this.frames = [];
    return this.#inTurn(async () => {
      if (this.#buffer && this.#source?.readyState === 'open') await this.#cut(this.#buffer, 0, LENGTH_S);
    });
  }

  holds(at_s: number): boolean {
    const ranges = this.#ranges();
    for (let n = 0; ranges && n < ranges.length; n++) if (at_s >= ranges.start(n) - 0.001 && at_s < ranges.end(n)) return true;
    return false;
  }
  /** Where the stretch that begins right behind a moment begins, at most `within_s` away. */
  nextFrom(at_s: number, within_s: number): number | null {
    const ranges = this.#ranges();
    for (let n = 0; ranges && n < ranges.length; n++) {
      const start = ranges.start(n);
      if (start > at_s && start - at_s <= within_s) return start;
    }
    return null;
  }

  close(): void {
    this.#isClosed = true;
    this.#buffer = null;
    this.#source = null;
    this.frames = [];
    this.#video.removeAttribute('src');
    this.#video.load(); // lets the decoder go now, and the picture
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = '';
  }

  #ranges(): TimeRanges | null {
    return this.#buffer && this.#source?.readyState === 'open' ? this.#buffer.buffered : null;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#chain.then(work);
    this.#chain = done.catch(() => undefined);
    return done;
  }

  async #ready(mime: string): Promise<SourceBuffer> {
    if (this.#isClosed) throw new DOMException('closed', 'AbortError');
    if (this.#buffer) return this.#buffer;
    const made = kind();
    if (!made) throw new DOMException('no media source', 'NotSupportedError');
    const source = new made();
    this.#source = source;
    this.#url = URL.createObjectURL(source);
    const opened = new Promise<void>((resolve) => source.addEventListener('sourceopen', () => resolve(), { once: true }));
    this.#video.src = this.#url;
    await opened;
    if (this.#isClosed) throw new DOMException('closed', 'AbortError');
    source.duration = LENGTH_S;
    return (this.#buffer = source.addSourceBuffer(mime));
  }

  #give(buffer: SourceBuffer, data: ArrayBuffer): Promise<void> {
    return this.#during(buffer, () => buffer.appendBuffer(data));
  }

  #cut(buffer: SourceBuffer, from_s: number, to_s: number): Promise<void> {
    if (to_s <= from_s) return Promise.resolve();
    this.frames = this.frames.filter((at) => at < from_s || at >= to_s);
    return this.#during(buffer, () => buffer.remove(Math.max(0, from_s), to_s));
  }

  #during(buffer: SourceBuffer, act: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (isFine: boolean) => {
        buffer.removeEventListener('updateend', onEnd);
        buffer.removeEventListener('error', onError);
        if (isFine) resolve();
        else reject(new DOMException('the decoder refuses this', 'DataError'));
      };
      const onEnd = () => end(true);
      const onError = () => end(false);
      buffer.addEventListener('updateend', onEnd);
      buffer.addEventListener('error', onError);
      try {
        act();
      } catch (error) {
        buffer.removeEventListener('updateend', onEnd);
        buffer.removeEventListener('error', onError);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }
}

function kind(): typeof MediaSource | undefined {
  return (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource ?? globalThis.MediaSource;
}
