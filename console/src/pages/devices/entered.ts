/** The password of a device that was entered a moment ago, so that it can be typed into the camera; it never comes back. */
const kept = new Map<string, string>();

export const keepEntered = (device: string, password: string) => void kept.set(device, password);
export const enteredPassword = (device: string): string => kept.get(device) ?? '';

const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';
/** A password people can type on a small keyboard: no letters that look alike. */
export function easyPassword(length = 10): string {
  const found = crypto.getRandomValues(new Uint32Array(length));
  return [...found].map((n) => LETTERS[n % LETTERS.length]).join('');
}
