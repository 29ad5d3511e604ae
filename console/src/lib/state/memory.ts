/** What this browser keeps between visits; a browser that refuses storage just forgets. */
const PREFIX = 'tocsin.';

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows refuse: the choice lasts until the page closes.
  }
}
