/** The sound of a call in hand: the microphone out, the intercom's voice in, over one socket. */
import * as m from '$m';
import workletUrl from '$lib/speech/microphone.worklet.ts?worker&url';
import { levelOf, toWire } from '$lib/speech/samples';

const RATE_HZ = 8_000;

export class CallLine {
  isOpen = $state(false);
  isMuted = $state(false);
  /** 0 to 1: how loud the microphone and the door are. */
  level = $state(0);
  heard = $state(0);
  problem = $state('');

  #context: AudioContext | null = null;
  #socket: WebSocket | null = null;
  #stream: MediaStream | null = null;
  #played_s = 0;
  #isClosed = false;

  constructor(
    private readonly url: string,
    private readonly onEnd: (reason: string) => void,
  ) {}

  async open(): Promise<void> {
    const context = (this.#context = new AudioContext());
    void context.resume();
    this.#connect();
    await this.#listen(context);
  }

  close(): void {
    this.#isClosed = true;
    this.isOpen = false;
    this.#socket?.close();
    this.#stream?.getTracks().forEach((track) => track.stop());
    void this.#context?.close();
    this.#context = null;
  }

  mute(): void {
    this.isMuted = !this.isMuted;
    if (this.isMuted && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(new ArrayBuffer(0));
  }

  /** Without a microphone one still hears. */
  async #listen(context: AudioContext): Promise<void> {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
      this.problem = m.speech_insecure();
      return;
    }
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
      if (this.#isClosed) {
        stream.getTracks().forEach((track) => track.stop());
        return;
      }
      this.#stream = stream;
      await context.audioWorklet.addModule(workletUrl);
      const node = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0 });
      node.port.onmessage = (event: MessageEvent<Int16Array>) => this.#take(event.data);
      context.createMediaStreamSource(stream).connect(node);
    } catch (error) {
      const name = error instanceof DOMException ? error.name : '';
      this.problem = name === 'NotFoundError' ? m.speech_microphone_none() : m.speech_microphone_denied();
    }
  }

  #take(frame: Int16Array): void {
    this.level = this.isMuted ? 0 : Math.max(levelOf(frame), this.level * 0.8);
    if (!this.isMuted && this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(toWire(frame));
  }

  #connect(): void {
    const address = new URL(this.url, location.href);
    // The picture port is told by the name this page was reached under.
    if (['127.0.0.1', 'localhost'].includes(address.hostname)) address.hostname = location.hostname;
    const socket = (this.#socket = new WebSocket(address));
    socket.binaryType = 'arraybuffer';
    let reason = '';
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data !== 'string') {
        this.#play(event.data);
        return;
      }
      const said = JSON.parse(event.data) as { type: string; reason?: string };
      if (said.type === 'ready') this.isOpen = true;
      if (said.type === 'end') reason = said.reason ?? '';
    };
    socket.onclose = () => {
      this.isOpen = false;
      if (!this.#isClosed) this.onEnd(reason);
    };
  }

  #play(data: ArrayBuffer): void {
    const context = this.#context;
    if (!context || data.byteLength < 2) return;
    const view = new DataView(data);
    const frame = new Int16Array(data.byteLength >> 1);
    const buffer = context.createBuffer(1, frame.length, RATE_HZ);
    const samples = buffer.getChannelData(0);
    for (let index = 0; index < frame.length; index += 1) {
      const sample = view.getInt16(index * 2, true);
      frame[index] = sample;
      samples[index] = sample / 32_768;
    }
    this.heard = Math.max(levelOf(frame), this.heard * 0.8);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    const soon_s = context.currentTime + 0.08;
    if (this.#played_s < context.currentTime || this.#played_s > soon_s + 0.5) this.#played_s = soon_s;
    source.start(this.#played_s);
    this.#played_s += buffer.duration;
  }
}
