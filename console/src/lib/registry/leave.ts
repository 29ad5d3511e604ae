/** Escape goes back to where a page was reached from. */
import * as m from '$m';
import { keys } from '$lib/keys/keys.svelte';
import { router } from '$lib/router.svelte';

/** Adds the key while a page is open; returns the removal. `to` is asked when it is pressed. */
export function escapeTo(to: () => string): () => void {
  return keys.add({
    name: 'registry-back',
    title: m.registry_keys,
    bindings: [
      { key: 'Escape', label: m.registry_key_back, isGlobal: true, run: () => router.go(to()) },
    ],
  });
}

/** What `?` says of lists; the lists themselves hear the keys. */
export function listKeys(): () => void {
  const silent = { isActive: () => false, run: () => undefined };
  return keys.add({
    name: 'registry-list',
    title: m.registry_keys,
    bindings: [
      { key: 'ArrowDown', label: m.registry_key_down, ...silent },
      { key: 'ArrowUp', label: m.registry_key_up, ...silent },
      { key: 'Enter', label: m.registry_key_open, ...silent },
    ],
  });
}
