/** A voice line to one camera: opened through its view, spoken into while a key is held, ended with the page. */
import * as m from '$m';
import { api } from '$lib/api/client';
import { errorWords } from '$lib/api/words';
import { feed } from '$lib/feed/feed.svelte';
import { session } from '$lib/state/session.svelte';
import workletUrl from './microphone.worklet.ts?worker&url';
import { levelOf, toWire } from './samples';

interface State {
  camera_id: string;
  speaker: { user_id: string; name: string } | null;
  since: string | null;
  ends_at: string | null;
  reason: string;
}
interface Line extends State {
  id: string;
  url: string;
  max_s: number;
}

export type Phase = 'idle' | 'asking' | 'calling' | 'open';

/** Why a line ended by itself, in words; one's own ending needs none. */
const ENDED: Record<string, () => string> = {
  time_over: m.speech_ended_time,
  expired: m.speech_ended_time,
  ended_by_camera: m.speech_ended_camera,
  ended_by_supervisor: m.speech_ended_supervisor,
  view_ended: m.speech_ended_view,
  revoked: m.speech_ended_view,
  connection_lost: m.speech_ended_connection,
  connection_closed: m.speech_ended_camera,
  no_microphone: m.speech_ended_no_microphone,
};
const RATE_HZ = 8_000;

export class CameraSpeech {
  phase = $state<Phase>('idle');
  /** The key is held: what is said goes out, and the picture's sound is muted. */
  isHeld = $state(false);
  /** 0 to 1, of the last frames of the microphone. */
  level = $state(0);
  problem = $state('');
  heard = $state.raw<State | null>(null);
  ends_ms = $state<number | null>(null);
  /** The open view of this camera's picture, as the player reports it. */
  viewId = $state('');
  /** The picture brings the camera's sound already: what a talking device sends back is not played twice. */
  pictureHasSound = $state(false);

  other = $derived(this.heard?.speaker && this.heard.speaker.user_id !== session.user?.id ? this.heard.speaker.name : '');

  #socket: WebSocket | null = null;
  #context: AudioContext | null = null;
  #stream: MediaStream | null = null;
  #played_s = 0;
  #offs: (() => void)[] = [];
  /** Grows with each line: what an older one still brings is ignored. */
  #line = 0;

  constructor(readonly channel: string) {}

  get #path(): string {
    return `/cameras/${this.channel}/speech`;
  }

  /** Listens and reads; returns the end, which ends the line. */
  start(): () => void {
    this.#offs = [
      feed.on('speech.changed', (frame) => {
        if (frame.id === this.channel) this.#hear(frame.data as State);
      }),
      feed.onReread(() => void this.read()),
    ];
    void this.read();
    return () => {
      this.#offs.forEach((off) => off());
      void this.end();
    };
  }

  async read(): Promise<void> {
    try {
      this.heard = await api.get<State>(this.#path);
    } catch {
      this.heard = null;
    }
  }

  /** Asks for the microphone, then calls the camera to listen. */
  async open(): Promise<void> {
    if (this.phase !== 'idle') return;
    const line = ++this.#line;
    this.problem = '';
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      this.problem = m.speech_insecure();
      return;
    }
    if (!this.viewId) {
      this.problem = m.speech_no_picture();
      return;
    }
    this.phase = 'asking';
    try {
      await this.#listen(line);
    } catch (error) {
      const name = error instanceof DOMException ? error.name : '';
      this.#rest();
      this.problem = name === 'NotFoundError' ? m.speech_microphone_none() : m.speech_microphone_denied();
      return;
    }
    if (line !== this.#line) return;
    this.phase = 'calling';
    try {
      const opened = await api.post<Line>(this.#path, { view_id: this.viewId });
      if (line !== this.#line) {
        await api.delete(this.#path).catch(() => undefined);
        return;
      }
      this.heard = opened;
      this.ends_ms = opened.ends_at === null ? null : Date.parse(opened.ends_at);
      this.#connect(opened.url, line);
    } catch (error) {
      if (line !== this.#line) return;
      this.#rest();
      const words = errorWords(error);
      this.problem = [words.what, words.next].filter(Boolean).join(' ');
    }
  }

  hold(): void {
    if (this.phase === 'open') this.isHeld = true;
  }

  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(new ArrayBuffer(0));
  }

  async end(): Promise<void> {
    const wasAsked = this.phase === 'calling' || this.phase === 'open';
    this.#line += 1;
    this.#rest();
    if (wasAsked) await api.delete(this.#path).catch(() => undefined);
  }

  async #listen(line: number): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    if (line !== this.#line) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.#stream = stream;
    const context = (this.#context = new AudioContext());
    await context.audioWorklet.addModule(workletUrl);
    if (line !== this.#line) return;
    const node = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0 });
    node.port.onmessage = (event: MessageEvent<Int16Array>) => this.#take(event.data);
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
  }

  #take(frame: Int16Array): void {
    this.level = Math.max(levelOf(frame), this.level * 0.8);
    if (this.isHeld && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(toWire(frame));
  }

  #connect(url: string, line: number): void {
    const address = new URL(url, location.href);
    // The picture port is told by the name this page was reached under.
    if (['127.0.0.1', 'localhost'].includes(address.hostname)) address.hostname = location.hostname;
    const socket = (this.#socket = new WebSocket(address));
    socket.binaryType = 'arraybuffer';
    let reason = '';
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (line !== this.#line) return;
      if (typeof event.data !== 'string') {
        this.#play(event.data);
        return;
      }
      const said = JSON.parse(event.data) as { type: string; reason?: string };
      if (said.type === 'ready') this.phase = 'open';
      if (said.type === 'end') reason = said.reason ?? '';
    };
    socket.onclose = () => {
      if (line !== this.#line) return;
      this.#line += 1;
      this.#rest();
      if (reason !== 'ended') this.problem = (ENDED[reason] ?? m.speech_ended_connection)();
      void api.delete(this.#path).catch(() => undefined);
    };
  }

  /** What a talking device says, unless its picture brings that too or somebody speaks into it. */
  #play(data: ArrayBuffer): void {
    const context = this.#context;
    if (!context || this.pictureHasSound || this.isHeld || data.byteLength < 2) return;
    const view = new DataView(data);
    const buffer = context.createBuffer(1, data.byteLength >> 1, RATE_HZ);
    const samples = buffer.getChannelData(0);
    for (let index = 0; index < samples.length; index += 1) samples[index] = view.getInt16(index * 2, true) / 32_768;
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const soon_s = context.currentTime + 0.08;
    if (this.#played_s < context.currentTime || this.#played_s > soon_s + 0.5) this.#played_s = soon_s;
    source.start(this.#played_s);
    this.#played_s += buffer.duration;
  }

  #hear(state: State): void {
    this.heard = state;
    if (state.speaker === null && this.phase === 'open') {
      this.#line += 1;
      this.#rest();
      if (state.reason !== 'ended') this.problem = (ENDED[state.reason] ?? m.speech_ended_connection)();
    }
  }

  #rest(): void {
    this.phase = 'idle';
    this.isHeld = false;
    this.level = 0;
    this.ends_ms = null;
    this.#socket?.close();
    this.#socket = null;
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    void this.#context?.close();
    this.#context = null;
  }
}
