/** The keys of the console: who listens, where, and what `?` lists. */
import { untrack } from 'svelte';
import { preferences } from '$lib/state/preferences.svelte';

export interface KeyBinding {
  /** As `KeyboardEvent.key` gives it; letters in lower case. */
  key: string;
  label: () => string;
  /**
   * Called with the row the scope pointed at when the key went down. What it starts must use that row,
   * whatever is selected by the time it ends.
   */
  run: (row: string | null, event: KeyboardEvent) => void;
  isActive?: () => boolean;
  /** Works where nothing has the focus as well (`/`, `?`, Escape): these leave typing alone. */
  isGlobal?: boolean;
}

export interface KeyScope {
  name: string;
  title: () => string;
  /** The row a key pressed now means. */
  row?: () => string | null;
  bindings: KeyBinding[];
}

/** Where keys are text, not commands. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !['button', 'checkbox', 'radio', 'submit', 'reset'].includes(target.type);
}

/** Enter and space belong to the button, link or option that has the focus. */
function isOwnKey(key: string, target: EventTarget | null): boolean {
  if (key !== 'Enter' && key !== ' ') return false;
  return target instanceof Element && target.closest('button, a[href], summary, input, select, [role=tab], [role=option], [role=menuitem]') !== null;
}

class Keys {
  scopes = $state.raw<KeyScope[]>([]);

  /** Adds a scope; its element carries `data-keys="<name>"`. Returns the removal. */
  add(scope: KeyScope): () => void {
    // Called from effects, which must not depend on the other scopes.
    untrack(() => (this.scopes = [...this.scopes, scope]));
    return () => untrack(() => (this.scopes = this.scopes.filter((known) => known !== scope)));
  }

  listen(): () => void {
    const onKeyDown = (event: KeyboardEvent) => this.press(event);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (isTyping(event.target)) return;
    const element = event.target instanceof Element ? event.target : null;
    if (element?.closest('[role=dialog], [role=alertdialog], [role=menu], [role=listbox]')) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const inside = element?.closest('[data-keys]')?.getAttribute('data-keys') ?? null;
    for (const scope of [...this.scopes].reverse()) {
      for (const binding of scope.bindings) {
        if (binding.key !== key || !(binding.isActive?.() ?? true)) continue;
        if (!binding.isGlobal && (inside !== scope.name || !preferences.hasSingleKeys)) continue;
        if (isOwnKey(key, event.target)) continue;
        event.preventDefault();
        binding.run(scope.row?.() ?? null, event);
        return;
      }
    }
  }
}

export const keys = new Keys();
