/** Choices of this seat: theme, sound, single keys. Kept in the browser, not with the account: they belong to the desk. */
import { recall, remember } from './memory';

export type ThemeChoice = 'system' | 'dark' | 'light';

function readTheme(): ThemeChoice {
  const kept = recall('theme');
  return kept === 'dark' || kept === 'light' ? kept : 'system';
}

class Preferences {
  theme = $state<ThemeChoice>(readTheme());
  hasSound = $state(recall('sound') !== 'off');
  volume = $state(Number(recall('volume') ?? '0.6'));
  hasSingleKeys = $state(recall('single-keys') !== 'off');
  #systemIsLight = $state(typeof matchMedia !== 'undefined' && matchMedia('(prefers-color-scheme: light)').matches);

  /** The theme in force. */
  shade = $derived<'dark' | 'light'>(this.theme === 'system' ? (this.#systemIsLight ? 'light' : 'dark') : this.theme);

  listen(): () => void {
    const query = matchMedia('(prefers-color-scheme: light)');
    const onChange = () => (this.#systemIsLight = query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }

  setTheme(choice: ThemeChoice): void {
    this.theme = choice;
    remember('theme', choice === 'system' ? null : choice);
  }

  setSound(isOn: boolean): void {
    this.hasSound = isOn;
    remember('sound', isOn ? null : 'off');
  }

  setVolume(volume: number): void {
    this.volume = volume;
    remember('volume', String(volume));
  }

  setSingleKeys(isOn: boolean): void {
    this.hasSingleKeys = isOn;
    remember('single-keys', isOn ? null : 'off');
  }
}

export const preferences = new Preferences();
