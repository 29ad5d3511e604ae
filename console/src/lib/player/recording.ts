/** Plays a recording into a `<video>`: socket, buffer, jumps after a seek, the moment on screen. Knows no framework. */
import { readFrame } from './frames';

export interface RecordClock {
  media_time_s: number;
  record_ms: number;
  /** Seconds of record time in a second of media time, negative backwards. */
  scale: number;
}

/** The moment a picture at `media_s` shows: by the last clock that began before it. Pure. */
export function momentAt(clocks: readonly RecordClock[], media_s: number): number | null {
  let found: RecordClock | undefined;
  for (const clock of clocks) if (clock.media_time_s <= media_s + 0.02) found = clock;
  found ??= clocks[0];
  return found ? found.record_ms + (media_s - found.media_time_s) * 1000 * found.scale : null;
}

export function readClock(raw: string): RecordClock | null {
  try {
    const frame = JSON.parse(raw) as Record<string, unknown>;
    const { media_time, record_ms, scale } = frame;
    if (frame.type !== 'record_clock' || typeof media_time !== 'number') return null;
    if (typeof record_ms !== 'number' || typeof scale !== 'number') return null;
    return { media_time_s: media_time, record_ms, scale };
  } catch {
    return null;
  }
}

export interface RecordingOptions {
  onMoment: (record_ms: number) => void;
  /** The first picture is on screen, or the first after a seek. */
  onPicture: () => void;
  /** The server's word for why it ended; empty when the connection broke. */
  onEnd: (reason: string) => void;
}

const BEHIND_S = 20;
const EDGE_S = 0.05;
const KEPT_CLOCKS = 200;

export class RecordingPlayer {
  #video: HTMLVideoElement;
  #options: RecordingOptions;
  #socket: WebSocket | null = null;
  #source: MediaSource | null = null;
  #url = '';
  #buffer: SourceBuffer | null = null;
  #mime = '';
  #queue: (Uint8Array<ArrayBuffer> | { mime: string })[] = [];
  #clocks: RecordClock[] = [];
  #isPlaced = false;
  #isPaused = false;
  #isSeeking = false;
  #jump_s: number | null = null;
  #tick: ReturnType<typeof setInterval> | undefined;

  constructor(video: HTMLVideoElement, options: RecordingOptions) {
    this.#video = video;
    this.#options = options;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
  }

  open(address: string): void {
    this.close();
    const url = new URL(address, location.href);
    if (url.protocol === 'http:' || url.protocol === 'https:') url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.#socket) return;
      if (typeof event.data === 'string') this.#onText(event.data);
      else {
        this.#queue.push(new Uint8Array(event.data));
        this.#append();
      }
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#options.onEnd('');
    };
    this.#tick = setInterval(() => this.#onTick(), 100);
  }

  close(): void {
    clearInterval(this.#tick);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#queue = [];
    this.#buffer = null;
    this.#source = null;
    this.#mime = '';
    this.#clocks = [];
    this.#isPlaced = this.#isPaused = this.#isSeeking = false;
    this.#jump_s = null;
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = '';
  }

  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#video.pause();
    else this.#video.play().catch(() => undefined);
  }

  #onText(raw: string): void {
    const clock = readClock(raw);
    if (clock) {
      this.#clocks.push(clock);
      if (this.#clocks.length > KEPT_CLOCKS) this.#clocks.shift();
      if (this.#isSeeking) {
        this.#isSeeking = false;
        this.#jump_s = clock.media_time_s;
      }
      return;
    }
    const frame = readFrame(raw);
    if (frame?.type === 'mime') this.#prepare(frame.mime);
    else if (frame?.type === 'gap' && frame.reason === 'seek') this.#isSeeking = true;
    else if (frame?.type === 'end') {
      const socket = this.#socket;
      this.#socket = null;
      socket?.close();
      this.#options.onEnd(frame.reason);
    }
  }

  #prepare(mime: string): void {
    if (this.#source) {
      if (mime !== this.#mime) this.#queue.push({ mime });
      this.#mime = mime;
      this.#append();
      return;
    }
    this.#mime = mime;
    const managed = (globalThis as { ManagedMediaSource?: typeof MediaSource }).ManagedMediaSource;
    const source = new (managed ?? MediaSource)();
    this.#source = source;
    source.addEventListener('sourceopen', () => {
      if (source !== this.#source) return;
      const buffer = source.addSourceBuffer(mime);
      this.#buffer = buffer;
      buffer.addEventListener('updateend', () => {
        if (buffer !== this.#buffer) return;
        this.#place();
        this.#append();
      });
      this.#append();
    });
    this.#url = URL.createObjectURL(source);
    this.#video.src = this.#url;
  }

  #append(): void {
    const buffer = this.#buffer;
    const next = this.#queue[0];
    if (!buffer || !next || buffer.updating || this.#source?.readyState !== 'open') return;
    if ('mime' in next) {
      this.#queue.shift();
      buffer.changeType(next.mime);
      this.#append();
      return;
    }
    try {
      buffer.appendBuffer(next);
      this.#queue.shift();
    } catch {
      const end = this.#video.currentTime - 2;
      if (end > 0 && !buffer.updating) buffer.remove(0, end);
    }
  }

  #place(): void {
    const buffer = this.#buffer;
    if (!buffer || buffer.buffered.length === 0) return;
    const first = buffer.buffered.start(0);
    const last = buffer.buffered.end(buffer.buffered.length - 1);
    const to_s = !this.#isPlaced ? first : this.#jump_s !== null && last > this.#jump_s ? this.#jump_s : null;
    if (to_s !== null) {
      this.#isPlaced = true;
      this.#jump_s = null;
      this.#video.currentTime = to_s + 0.001;
      if (!this.#isPaused) this.#video.play().catch(() => undefined);
      this.#video.requestVideoFrameCallback(() => this.#options.onPicture());
    }
    const behind = this.#video.currentTime - BEHIND_S;
    if (!buffer.updating && behind > first + BEHIND_S) buffer.remove(first, behind);
  }

  #onTick(): void {
    const video = this.#video;
    if (!this.#isPlaced || !this.#buffer) return;
    const ranges = this.#buffer.buffered;
    for (let n = 0; n < ranges.length; n++) {
      if (ranges.start(n) > video.currentTime + EDGE_S && !this.#isInside(video.currentTime)) {
        video.currentTime = ranges.start(n) + 0.001;
        break;
      }
    }
    const moment = this.#jump_s === null && !this.#isSeeking ? momentAt(this.#clocks, video.currentTime) : null;
    if (moment !== null) this.#options.onMoment(moment);
    if (!this.#isPaused && video.paused && video.readyState >= 2) video.play().catch(() => undefined);
  }

  /** Whether there is more to show here; a browser stops a little before the end of what it has. */
  #isInside(at_s: number): boolean {
    const ranges = this.#buffer?.buffered;
    for (let n = 0; ranges && n < ranges.length; n++) if (at_s >= ranges.start(n) && at_s < ranges.end(n) - EDGE_S) return true;
    return false;
  }
}
