/** What the three alarms sound like, as numbers; told apart by rhythm first, pitch second. Pure. */
export type Sound = 'critical' | 'normal' | 'door' | 'fault';

export interface Beat {
  /** Seconds after the start of the rhythm. */
  at_s: number;
  length_s: number;
  pitch_hz: number;
}

export const RHYTHMS: Record<Sound, readonly Beat[]> = {
  critical: [0, 0.16, 0.32, 0.62, 0.78].map((at_s) => ({ at_s, length_s: 0.11, pitch_hz: 988 })),
  normal: [
    { at_s: 0, length_s: 0.18, pitch_hz: 659 },
    { at_s: 0.26, length_s: 0.24, pitch_hz: 523 },
  ],
  // A bell of two tones, twice: somebody is at a door.
  door: [0, 0.3, 0.9, 1.2].map((at_s, n) => ({ at_s, length_s: 0.26, pitch_hz: n % 2 ? 622 : 784 })),
  fault: [{ at_s: 0, length_s: 0.7, pitch_hz: 220 }],
};

/** Heard once at sign-in, so that a silent loudspeaker is found before an alarm needs it. */
export const CHECK_TONE: readonly Beat[] = [523, 659, 784].map((pitch_hz, n) => ({ at_s: n * 0.14, length_s: 0.12, pitch_hz }));

const FIRST_WAIT_S: Record<Sound, number> = { critical: 2, normal: 5, door: 3, fault: 12 };
const LONGEST_WAIT_S: Record<Sound, number> = { critical: 8, normal: 30, door: 4, fault: 60 };

/** Seconds until the rhythm is heard again: each repeat waits longer, up to a limit. */
export function waitBefore(sound: Sound, repeat: number): number {
  return Math.min(FIRST_WAIT_S[sound] * 1.35 ** repeat, LONGEST_WAIT_S[sound]);
}

const RANK: Record<Sound, number> = { critical: 3, normal: 2, door: 1, fault: 0 };

/** Of several reasons to sound, the one that is heard. */
export function loudest(sounds: Iterable<Sound>): Sound | null {
  let first: Sound | null = null;
  for (const sound of sounds) if (first === null || RANK[sound] > RANK[first]) first = sound;
  return first;
}
