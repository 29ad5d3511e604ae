/** Plays one live picture into a `<video>`: socket, buffer, chase, stalls, reconnection. Knows no framework. */
import { backOff } from '$lib/feed/sequence';
import { mimeOf } from './bare';
import { chase, shownWall, STALE_MS, StallWatch, type Stretch } from './chase';
import { hasAudioTrack, readFrame } from './frames';

export type PlayerPhase = 'starting' | 'live' | 'stale' | 'ended' | 'failed';

export interface PlayerState {
  phase: PlayerPhase;
  /** Wall time of the frame on screen, ms; null before the first. */
  shown_ms: number | null;
  /** Age of the frame on screen, ms. */
  age_ms: number;
  hasAudio: boolean;
  isConverted: boolean;
  /** Key frames alone are sent, because the server (`overload`) or this line (`slow`) cannot carry more; else empty. */
  keysOnly: string;
  /** The server's word for why it ended or failed. */
  reason: string;
  error: unknown;
  /** What came in the last two seconds or so. */
  fps: number;
  bitrate_bps: number;
}

/** How a page kept up since the sample before: pictures shown and dropped, and whether it lies too far behind. */
export interface PlayerSample {
  shown: number;
  dropped: number;
  isBehind: boolean;
}

export interface OpenedView {
  id: string;
  url: string;
}

export interface PlayerOptions {
  /** Asks for a view; called again for each reconnection because a ticket is good once. */
  open: () => Promise<OpenedView>;
  /** Gives a view back that is no longer watched. */
  leave: (viewId: string) => void;
  onState: (state: PlayerState) => void;
  /** Keeps a copy of the last picture on screen while a new buffer is built; `false` lets it go. */
  keepStill: (isKept: boolean) => void;
  /** The first picture of a view is on screen. */
  onFirstFrame: (viewId: string) => void;
  /** How the page keeps up, every two seconds while the picture is on screen. */
  onSample?: (sample: PlayerSample) => void;
  /** Ends after which nothing is asked again: a person has to. */
  final?: ReadonlySet<string>;
  /** The server's time, ms. */
  now: () => number;
}

/** Refusals that trying again cannot change. */
const FINAL = new Set(['forbidden', 'not_found', 'invalid', 'unauthenticated', 'blocked']);
/** Ends after which a new view may be asked for at once. */
const RENEWABLE = new Set(['expired', 'worker_lost', 'slow', 'source_lost', 'restart', 'use_sub_stream', 'no_sub_stream', '']);
const TICK_MS = 500;
const HIDDEN_MS = 5_000;
const STAT_MS = 2_000;
/** Data comes and no picture was decoded for so long: the buffer is built anew. */
const BLIND_MS = 8_000;
/** Behind the edge by so much, or so many pieces not appended yet: the page does not keep up. */
const BEHIND_S = 2;
const BEHIND_PIECES = 75;

type MediaSourceKind = typeof MediaSource;

function mediaSourceKind(): MediaSourceKind | null {
  const managed = (globalThis as { ManagedMediaSource?: MediaSourceKind }).ManagedMediaSource;
  return managed ?? (typeof MediaSource === 'undefined' ? null : MediaSource);
}

const PROBES: readonly string[] = ['avc1.640028', 'hvc1.1.6.L93.B0', 'mp4a.40.2', 'opus', 'flac'];

/** What this browser plays, as the `codecs` of a view. */
export function playableCodecs(): string[] {
  const kind = mediaSourceKind();
  if (!kind) return [];
  return PROBES.filter((codec) => kind.isTypeSupported(`video/mp4; codecs="${codec}"`));
}

function join(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (parts.length === 1 && first) return first;
  const data = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.byteLength;
  }
  return data;
}

export class LivePlayer {
  #video: HTMLVideoElement;
  #options: PlayerOptions;
  #socket: WebSocket | null = null;
  #source: MediaSource | null = null;
  #sourceUrl = '';
  #buffer: SourceBuffer | null = null;
  #mime = '';
  /** Data to append, and a mime where the parameters change between. */
  #queue: (Uint8Array<ArrayBuffer> | { mime: string })[] = [];
  /** The next `mime` begins a new connection, with a timeline of its own. */
  #isFresh = true;
  /** No text frame came on this connection: an external media server sends, which says nothing but the picture. */
  #isBare = true;
  #hasNewData = false;
  #isPlaced = false;
  #viewId = '';
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #isPaused = false;
  #isStopped = false;
  #isOnScreen = true;
  #stalls = new StallWatch();
  /** Since when data comes without a picture; null while there is one, or nothing comes. */
  #blind_ms: number | null = null;
  #status: { wall_ms: number; media_time_s: number; heard_ms: number } | null = null;
  #stat_ms = 0;
  #bytes = 0;
  #counted = { frames: 0, dropped: 0, bytes: 0, isSeen: false };
  #isKeysWanted = false;
  #jumps = 0;
  #state: PlayerState = {
    phase: 'starting',
    shown_ms: null,
    age_ms: 0,
    hasAudio: false,
    isConverted: false,
    keysOnly: '',
    reason: '',
    error: null,
    fps: 0,
    bitrate_bps: 0,
  };

  constructor(video: HTMLVideoElement, options: PlayerOptions) {
    this.#video = video;
    this.#options = options;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true;
  }

  start(): void {
    document.addEventListener('visibilitychange', this.#onVisibility);
    this.#tick = setInterval(() => this.#onTick(), TICK_MS);
    void this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    clearInterval(this.#tick);
    clearTimeout(this.#retry);
    clearTimeout(this.#hidden);
    this.#closeSocket();
    this.#dropBuffer();
    this.#video.removeAttribute('src');
    this.#video.load(); // lets the decoder go now, not when the element is collected
    this.#leaveView();
  }

  /** Asks for key frames alone, because the page can show no more, or for every picture again. */
  setKeysOnly(isWanted: boolean): void {
    if (isWanted === this.#isKeysWanted) return;
    this.#isKeysWanted = isWanted;
    this.#send({ type: 'quality', mode: isWanted ? 'key_frames' : 'all' });
  }

  /** Tries again at once after a failure. */
  retry(): void {
    this.#attempt = 0;
    clearTimeout(this.#retry);
    this.#show({ phase: 'starting', error: null, reason: '' });
    void this.#connect();
  }

  /** A tile scrolled out of sight stops asking for pictures after a while. */
  setOnScreen(isOnScreen: boolean): void {
    this.#isOnScreen = isOnScreen;
    this.#onVisibility();
  }

  async #connect(): Promise<void> {
    if (this.#isStopped) return;
    this.#closeSocket();
    this.#leaveView();
    let view: OpenedView;
    try {
      view = await this.#options.open();
    } catch (error) {
      if (this.#isStopped) return;
      const code = (error as { code?: unknown }).code;
      if (typeof code === 'string' && FINAL.has(code)) this.#show({ phase: 'failed', error, reason: code });
      else this.#again(error);
      return;
    }
    if (this.#isStopped) {
      this.#options.leave(view.id);
      return;
    }
    this.#viewId = view.id;
    const url = new URL(view.url, location.href);
    if (url.protocol === 'http:' || url.protocol === 'https:') url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#status = null;
    this.#isFresh = true;
    this.#isBare = true;
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (socket !== this.#socket) return;
      if (typeof event.data === 'string') this.#onText(event.data);
      else this.#onMedia(new Uint8Array(event.data));
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (this.#state.phase !== 'ended') this.#again(null);
    };
  }

  /** The last picture stays, marked stale, while we wait for the next try. */
  #again(error: unknown): void {
    if (this.#isStopped) return;
    this.#show({ phase: this.#state.shown_ms === null ? 'starting' : 'stale', error });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), backOff(this.#attempt++, Math.random()));
  }

  #onText(raw: string): void {
    const frame = readFrame(raw);
    if (!frame) return;
    if (this.#isBare) {
      this.#isBare = false;
      if (this.#isKeysWanted) this.#send({ type: 'quality', mode: 'key_frames' });
    }
    switch (frame.type) {
      case 'mime':
        this.#show({ hasAudio: hasAudioTrack(frame.mime), isConverted: frame.converted || this.#state.isConverted });
        this.#prepare(frame.mime);
        break;
      case 'status':
        this.#status =
          frame.wall_ms === null
            ? null
            : {
                wall_ms: frame.wall_ms,
                media_time_s: frame.media_time_s ?? this.#stretches().at(-1)?.[1] ?? 0,
                heard_ms: this.#options.now(),
              };
        this.#show({ reason: frame.reason, isConverted: frame.converted || this.#state.isConverted });
        break;
      case 'gap':
        break;
      case 'quality':
        this.#show({ keysOnly: frame.isKeysOnly ? frame.reason : '' });
        break;
      case 'end':
        this.#closeSocket();
        if (RENEWABLE.has(frame.reason) && !this.#options.final?.has(frame.reason)) this.#again(null);
        else {
          this.#leaveView();
          this.#show({ phase: 'ended', reason: frame.reason });
        }
        break;
    }
  }

  #prepare(mime: string): void {
    if (this.#isFresh || !this.#source) {
      this.#isFresh = false;
      this.#build(mime);
    } else if (mime !== this.#mime) {
      this.#mime = mime;
      this.#queue.push({ mime });
      this.#append();
    }
  }

  #build(mime: string): void {
    if (this.#video.readyState >= 2) this.#options.keepStill(true);
    this.#dropBuffer();
    this.#mime = mime;
    const kind = mediaSourceKind();
    if (!kind || !kind.isTypeSupported(mime)) {
      this.#show({ phase: 'failed', reason: 'codec' });
      return;
    }
    const source = new kind();
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
      buffer.addEventListener('error', () => this.#rebuild());
      this.#append();
    });
    this.#sourceUrl = URL.createObjectURL(source);
    this.#video.src = this.#sourceUrl;
  }

  /** Starts over with a new view: the buffer cannot go on without its initialisation. */
  #rebuild(): void {
    if (this.#video.readyState >= 2) this.#options.keepStill(true);
    this.#dropBuffer();
    this.#closeSocket();
    this.#again(null);
  }

  #onMedia(data: Uint8Array<ArrayBuffer>): void {
    if (this.#isBare && !this.#onBare(data)) return;
    this.#hasNewData = true;
    this.#bytes += data.byteLength;
    this.#queue.push(data);
    this.#append();
  }

  /** Takes the type from the data, and its arrival for the age of the picture: the way to the server is not in it. */
  #onBare(data: Uint8Array<ArrayBuffer>): boolean {
    const mime = this.#isFresh ? mimeOf(data) : null;
    if (mime) {
      this.#show({ hasAudio: hasAudioTrack(mime) });
      this.#prepare(mime);
    }
    const now_ms = this.#options.now();
    this.#status = { wall_ms: now_ms, media_time_s: this.#stretches().at(-1)?.[1] ?? 0, heard_ms: now_ms };
    return !this.#isFresh;
  }

  #append(): void {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#queue.length === 0 || this.#source?.readyState !== 'open') return;
    const next = this.#queue[0];
    if (next && 'mime' in next) {
      this.#queue.shift();
      try {
        buffer.changeType(next.mime);
      } catch {
        // Another family of codecs needs another buffer, and that one its initialisation: begin again.
        this.#rebuild();
        return;
      }
      this.#append();
      return;
    }
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for (let part = this.#queue[0]; part && !('mime' in part); part = this.#queue[0]) {
      parts.push(part);
      this.#queue.shift();
    }
    const data = join(parts);
    try {
      buffer.appendBuffer(data);
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') {
        this.#queue.unshift(data);
        const end = this.#video.currentTime - 2;
        const first = this.#stretches()[0];
        if (first && end > first[0]) buffer.remove(first[0], end);
        else this.#rebuild();
      } else this.#rebuild();
    }
  }

  #stretches(): Stretch[] {
    const ranges = this.#buffer && this.#source?.readyState === 'open' ? this.#buffer.buffered : null;
    return ranges ? Array.from({ length: ranges.length }, (_, n) => [ranges.start(n), ranges.end(n)] as const) : [];
  }

  /** Begins at the edge with the first data, and starts to play. */
  #place(): void {
    const last = this.#stretches().at(-1);
    if (!last) return;
    if (!this.#isPlaced) {
      this.#isPlaced = true;
      this.#video.currentTime = Math.max(last[0], last[1] - 0.2);
      this.#video.play().catch(() => undefined);
      const viewId = this.#viewId;
      this.#video.requestVideoFrameCallback(() => {
        if (viewId !== this.#viewId || this.#isStopped) return;
        this.#attempt = 0;
        this.#options.keepStill(false);
        this.#options.onFirstFrame(viewId);
        this.#onTick();
      });
    } else this.#keepUp();
  }

  #keepUp(): void {
    const buffer = this.#buffer;
    if (!buffer || !this.#isPlaced || this.#isPaused) return;
    const stretches = this.#stretches();
    const step = chase(this.#video.currentTime, stretches, this.#video.playbackRate);
    if (step.seek_s !== null && (stretches.at(-1)?.[1] ?? 0) - this.#video.currentTime > BEHIND_S) this.#jumps++;
    if (step.seek_s !== null) this.#video.currentTime = step.seek_s;
    if (this.#video.playbackRate !== step.rate) this.#video.playbackRate = step.rate;
    if (step.trim && !buffer.updating && this.#queue.length === 0) buffer.remove(step.trim[0], step.trim[1]);
    if (this.#video.paused && this.#video.readyState >= 2) this.#video.play().catch(() => undefined);
  }

  #onTick(): void {
    const now_ms = this.#options.now();
    if (this.#isPlaced && !this.#isPaused) this.#keepUp();
    // A decoder that has shown nothing yet is at work: sent elsewhere again and again, it would never begin.
    if (this.#video.readyState < 2) this.#waitForPicture(now_ms);
    else if (this.#isPlaced && !this.#isPaused) {
      this.#blind_ms = null;
      const stall = this.#stalls.watch(this.#video.currentTime, this.#hasNewData, now_ms);
      this.#hasNewData = false;
      const last = this.#stretches().at(-1);
      if (stall === 'seek' && last) this.#video.currentTime = Math.max(last[0], last[1] - 0.2);
      if (stall === 'rebuild') this.#rebuild();
    }
    this.#judge(now_ms);
    if (now_ms - this.#stat_ms > STAT_MS) {
      const passed_ms = now_ms - this.#stat_ms;
      this.#stat_ms = now_ms;
      this.#count(passed_ms);
      if (this.#socket?.readyState !== WebSocket.OPEN) return;
      const last = this.#stretches().at(-1);
      const quality = this.#video.getVideoPlaybackQuality();
      this.#send({
        type: 'stat',
        buffer_s: last ? Math.max(0, last[1] - this.#video.currentTime) : 0,
        age_ms: Math.round(this.#state.age_ms),
        decoded: quality.totalVideoFrames,
        dropped: quality.droppedVideoFrames,
      });
    }
  }

  #waitForPicture(now_ms: number): void {
    if (this.#isPaused || document.hidden || !this.#hasNewData) {
      this.#blind_ms = null;
      return;
    }
    this.#blind_ms ??= now_ms;
    if (now_ms - this.#blind_ms > BLIND_MS) this.#rebuild();
  }

  /** Counts what came and what was shown since the last time. */
  #count(passed_ms: number): void {
    const quality = this.#video.getVideoPlaybackQuality();
    const last = this.#counted;
    const isSeen = !document.hidden && this.#isPlaced && !this.#isPaused;
    this.#counted = { frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames, bytes: this.#bytes, isSeen };
    const frames = quality.totalVideoFrames - last.frames;
    const bitrate_bps = passed_ms < 3 * STAT_MS ? ((this.#bytes - last.bytes) * 8000) / passed_ms : 0;
    const fps = passed_ms < 3 * STAT_MS && frames > 0 ? Math.round((frames * 1000) / passed_ms) : 0;
    this.#show({ bitrate_bps, fps });
    const jumps = this.#jumps;
    this.#jumps = 0;
    // A page that was not seen a moment ago shows nothing on purpose.
    if (!isSeen || !last.isSeen || frames < 0) return;
    const edge_s = this.#stretches().at(-1)?.[1] ?? 0;
    const isBehind = edge_s - this.#video.currentTime > BEHIND_S || jumps > 0 || this.#queue.length > BEHIND_PIECES;
    const dropped = Math.max(0, quality.droppedVideoFrames - last.dropped);
    this.#options.onSample?.({ shown: Math.max(0, frames - dropped), dropped, isBehind: isBehind && !this.#state.keysOnly });
  }

  /** Live or stale, by the age of the frame on screen; without word from the server nothing counts as live. */
  #judge(now_ms: number): void {
    if (this.#state.phase === 'failed' || this.#state.phase === 'ended' || !this.#isPlaced) return;
    const status = this.#status;
    const last = this.#stretches().at(-1);
    if (!status || !last || this.#video.readyState < 2) {
      if (this.#state.phase === 'live') this.#age(now_ms);
      return;
    }
    const shown = shownWall(status.wall_ms, status.media_time_s, this.#video.currentTime, last[1]);
    const shown_ms = Math.max(shown, this.#state.shown_ms ?? 0);
    const age_ms = Math.max(0, now_ms - shown_ms);
    const isSilent = now_ms - status.heard_ms > STALE_MS + 1_000;
    const isLive = age_ms <= STALE_MS && !isSilent && !this.#isPaused && this.#socket !== null;
    this.#show({ phase: isLive ? 'live' : 'stale', shown_ms, age_ms });
  }

  #age(now_ms: number): void {
    const age_ms = this.#state.shown_ms === null ? 0 : now_ms - this.#state.shown_ms;
    this.#show({ age_ms, phase: age_ms > STALE_MS ? 'stale' : this.#state.phase });
  }

  #onVisibility = (): void => {
    const isSeen = !document.hidden && this.#isOnScreen;
    clearTimeout(this.#hidden);
    if (isSeen && this.#isPaused) {
      this.#isPaused = false;
      this.#stalls.reset();
      this.#send({ type: 'resume' });
    } else if (!isSeen && !this.#isPaused) {
      this.#hidden = setTimeout(() => {
        this.#isPaused = true;
        this.#send({ type: 'pause' });
      }, HIDDEN_MS);
    }
  };

  #send(message: Record<string, unknown>): void {
    if (!this.#isBare && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #closeSocket(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #dropBuffer(): void {
    this.#queue = [];
    this.#buffer = null;
    this.#source = null;
    this.#mime = '';
    this.#isPlaced = false;
    this.#hasNewData = false;
    this.#blind_ms = null;
    this.#stalls.reset();
    if (this.#sourceUrl) URL.revokeObjectURL(this.#sourceUrl);
    this.#sourceUrl = '';
  }

  #leaveView(): void {
    if (this.#viewId) this.#options.leave(this.#viewId);
    this.#viewId = '';
  }

  #show(change: Partial<PlayerState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onState(this.#state);
  }
}
