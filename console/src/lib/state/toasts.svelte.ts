/** Short messages at the edge; one with `undo` offers it for five seconds. */
export interface Toast {
  id: number;
  text: string;
  tone: 'info' | 'ok' | 'act';
  next: string;
  undo: (() => void | Promise<void>) | null;
  ends_ms: number;
}

export const UNDO_MS = 5_000;
const READ_MS = 7_000;

class Toasts {
  items = $state<Toast[]>([]);
  #id = 0;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(text: string, options: { tone?: Toast['tone']; next?: string; undo?: Toast['undo'] } = {}): number {
    const id = ++this.#id;
    const stays = options.undo ? UNDO_MS : options.tone === 'act' ? 2 * READ_MS : READ_MS;
    const toast: Toast = {
      id,
      text,
      tone: options.tone ?? 'info',
      next: options.next ?? '',
      undo: options.undo ?? null,
      ends_ms: Date.now() + stays,
    };
    this.items = [...this.items.slice(-3), toast];
    this.#timers.set(
      id,
      setTimeout(() => this.drop(id), stays),
    );
    return id;
  }

  async takeBack(id: number): Promise<void> {
    const toast = this.items.find((item) => item.id === id);
    this.drop(id);
    await toast?.undo?.();
  }

  drop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.items = this.items.filter((item) => item.id !== id);
  }
}

export const toasts = new Toasts();
