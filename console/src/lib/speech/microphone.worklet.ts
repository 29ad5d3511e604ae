/** In the audio thread: whatever rate the microphone has becomes 8 kHz, 16 bit, in frames of 20 ms. */
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const RATE_HZ = 8_000;
const FRAME = 160;

class Microphone extends AudioWorkletProcessor {
  #frame = new Int16Array(FRAME);
  #filled = 0;
  /** Where the next sample lies between those of the microphone. */
  #at = 0;
  #sum = 0;
  #count = 0;

  process(inputs: Float32Array[][]): boolean {
    const samples = inputs[0]?.[0];
    if (!samples) return true;
    const step = sampleRate / RATE_HZ;
    for (const sample of samples) {
      // The mean of the samples between two of ours: a simple low pass, so that nothing above 4 kHz folds down.
      this.#sum += sample;
      this.#count += 1;
      this.#at += 1;
      if (this.#at < step) continue;
      this.#at -= step;
      this.#put(this.#sum / this.#count);
      this.#sum = this.#count = 0;
    }
    return true;
  }

  #put(value: number): void {
    this.#frame[this.#filled] = Math.max(-1, Math.min(1, value)) * 32_767;
    this.#filled += 1;
    if (this.#filled < FRAME) return;
    const whole = this.#frame;
    this.#frame = new Int16Array(FRAME);
    this.#filled = 0;
    this.port.postMessage(whole, [whole.buffer]);
  }
}

registerProcessor('microphone', Microphone);
