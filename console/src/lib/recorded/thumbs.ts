/** Small pictures of moments, decoded here from the key picture nearest before them: the server reads its bytes alone. */
import { MediaBuffer } from './buffer';
import { keyOf, WINDOW_MS, type GroupRef, type RecordIndex } from './index';
import type { RecordSource } from './source';

const WIDTH = 320;
const HEIGHT = 180;
const KEPT = 300;
const LATE_MS = 3_000;

export class Thumbnails {
  #source: RecordSource;
  #index: () => RecordIndex | null;
  #video = document.createElement('video');
  #buffer = new MediaBuffer(this.#video);
  #kept = new Map<string, string>();
  #count = 0;
  #isBusy = false;
  #wanted: { at_ms: number; done: (picture: string) => void } | null = null;

  #period: { from_ms: number; to_ms: number };

  constructor(source: RecordSource, index: () => RecordIndex | null, period: { from_ms: number; to_ms: number }) {
    this.#source = source;
    this.#index = index;
    this.#period = period;
  }

  /** Calls back with the picture of a moment, when it is still the last one asked for. */
  ask(at_ms: number, done: (picture: string) => void): void {
    const ref = this.#index()?.at(at_ms) ?? null;
    const known = ref && this.#kept.get(keyOf(ref));
    if (known) done(known);
    this.#wanted = known ? null : { at_ms, done };
    if (!this.#isBusy) void this.#work();
  }

  close(): void {
    this.#wanted = null;
    this.#kept.clear();
    this.#buffer.close();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    try {
      for (let next = this.#wanted; next; next = this.#wanted) {
        this.#wanted = null;
        const picture = await this.#draw(next.at_ms).catch(() => '');
        if (!this.#wanted) next.done(picture);
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async #draw(at_ms: number): Promise<string> {
    const index = this.#index();
    if (!index) return '';
    if (!index.isAsked(at_ms)) {
      const begin = Math.floor(at_ms / WINDOW_MS) * WINDOW_MS;
      const [from_ms, to_ms] = [Math.max(begin, this.#period.from_ms), Math.min(begin + WINDOW_MS, this.#period.to_ms)];
      if (from_ms >= to_ms) return '';
      index.add(await this.#source.list(from_ms, to_ms));
    }
    let ref: GroupRef | null = index.at(at_ms);
    while (ref && (ref.segment.groups[ref.n]?.[3] ?? 0) & 2 && ref.n > 0) ref = { segment: ref.segment, n: ref.n - 1 };
    const codec = ref && index.codecs.get(ref.segment.codec_no);
    if (!ref || !codec || !MediaBuffer.canShow(codec.mime)) return '';
    const kept = this.#kept.get(keyOf(ref));
    if (kept) return kept;
    const [found, init] = await Promise.all([
      this.#source.keys(ref.segment.start_ms, ref.n, ref.n, 1, false),
      this.#source.init(codec.no),
    ]);
    const at_s = (this.#count = (this.#count + 1) % 1_000) * 600;
    await this.#buffer.append(String(codec.no), codec.mime, init, found.data, at_s);
    const shown = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('late')), LATE_MS);
      const onSought = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#video.addEventListener('seeked', onSought, { once: true });
    });
    this.#video.currentTime = at_s + 0.01;
    await shown;
    const paper = document.createElement('canvas');
    paper.width = WIDTH;
    paper.height = HEIGHT;
    const ratio = Math.min(WIDTH / this.#video.videoWidth, HEIGHT / this.#video.videoHeight);
    const [w, h] = [this.#video.videoWidth * ratio, this.#video.videoHeight * ratio];
    paper.getContext('2d')?.drawImage(this.#video, (WIDTH - w) / 2, (HEIGHT - h) / 2, w, h);
    const picture = paper.toDataURL('image/jpeg', 0.7);
    this.#kept.set(keyOf(ref), picture);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return picture;
  }
}
