/** The loudspeaker of the seat: repeats the loudest reason until it is gone. */
import { preferences } from '$lib/state/preferences.svelte';
import { CHECK_TONE, loudest, RHYTHMS, waitBefore, type Beat, type Sound } from './rhythm';

class Loudspeaker {
  /** The browser lets no page sound before somebody has touched it. */
  isBlocked = $state(true);
  sounding = $state<Sound | null>(null);
  #context: AudioContext | null = null;
  #reasons = new Map<string, Sound>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #repeat = 0;

  /** To be called from a click or a key press: opens the loudspeaker and plays the check tone. */
  async unlock(options: { isAudible: boolean }): Promise<void> {
    this.#context ??= new AudioContext();
    await this.#context.resume();
    this.isBlocked = this.#context.state !== 'running';
    if (!this.isBlocked && options.isAudible) this.#play(CHECK_TONE);
    this.#next();
  }

  /** Plays one rhythm once, for somebody who asks what it sounds like. To be called from a click or a key press. */
  async demonstrate(sound: Sound): Promise<void> {
    await this.unlock({ isAudible: false });
    this.#play(RHYTHMS[sound]);
  }

  /** Sounds for `reason` (unclaimed incidents, a notice) until `end(reason)`. */
  begin(reason: string, sound: Sound): void {
    if (this.#reasons.get(reason) === sound) return;
    this.#reasons.set(reason, sound);
    this.#change();
  }

  end(reason: string): void {
    if (this.#reasons.delete(reason)) this.#change();
  }

  endAll(): void {
    this.#reasons.clear();
    this.#change();
  }

  #change(): void {
    const first = loudest(this.#reasons.values());
    if (first === this.sounding) return;
    this.sounding = first;
    this.#repeat = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next();
  }

  #next(): void {
    if (this.sounding === null || this.#timer !== undefined) return;
    if (preferences.hasSound && !this.isBlocked) this.#play(RHYTHMS[this.sounding]);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, waitBefore(this.sounding, this.#repeat++) * 1000);
  }

  #play(beats: readonly Beat[]): void {
    const context = this.#context;
    if (!context || context.state !== 'running') return;
    const start = context.currentTime + 0.02;
    for (const beat of beats) {
      const tone = context.createOscillator();
      const level = context.createGain();
      tone.type = 'triangle';
      tone.frequency.value = beat.pitch_hz;
      const from = start + beat.at_s;
      const to = from + beat.length_s;
      // Soft edges: a square one clicks.
      level.gain.setValueAtTime(0, from);
      level.gain.linearRampToValueAtTime(preferences.volume, from + 0.012);
      level.gain.setValueAtTime(preferences.volume, to - 0.02);
      level.gain.linearRampToValueAtTime(0, to);
      tone.connect(level).connect(context.destination);
      tone.start(from);
      tone.stop(to);
    }
  }
}

export const loudspeaker = new Loudspeaker();
