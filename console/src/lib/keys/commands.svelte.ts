/** The command line: words in, one meaning out, shown before Enter does it. */
import { untrack } from 'svelte';

export interface Meaning {
  /** What Enter will do, as a sentence. */
  words: string;
  run: () => void | Promise<void>;
}

export interface CommandSource {
  /** An example for the foot of the page and the help. */
  example: () => string;
  explains: () => string;
  read: (words: readonly string[]) => Meaning | null;
}

class Commands {
  sources = $state.raw<CommandSource[]>([]);
  isOpen = $state(false);

  add(source: CommandSource): () => void {
    // Called from effects, which must not depend on the other sources.
    untrack(() => (this.sources = [...this.sources, source]));
    return () => untrack(() => (this.sources = this.sources.filter((known) => known !== source)));
  }

  /** The first meaning any source finds, newest source first: a page's own commands win. */
  read(text: string): Meaning | null {
    const words = text.replace(/^\//, '').trim().split(/\s+/).filter(Boolean);
    if (words.length === 0) return null;
    for (const source of [...this.sources].reverse()) {
      const meaning = source.read(words);
      if (meaning) return meaning;
    }
    return null;
  }
}

export const commands = new Commands();
