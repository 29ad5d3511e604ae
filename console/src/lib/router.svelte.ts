/** Real paths through the history interface; the server answers unknown ones with the console itself. */

class Router {
  path = $state(typeof location === 'undefined' ? '/' : location.pathname);
  search = $state(typeof location === 'undefined' ? '' : location.search);
  query = $derived(new URLSearchParams(this.search));
  /** `/devices/abc/` -> `['devices', 'abc']`. */
  segments = $derived(this.path.split('/').filter(Boolean).map(decodeSegment));

  /** Goes to a path of the console (with its query); `replace` leaves no step for the back key. */
  go(to: string, options: { replace?: boolean } = {}): void {
    const target = new URL(to, location.origin);
    if (target.origin !== location.origin) return;
    const next = target.pathname + target.search;
    if (next !== location.pathname + location.search) {
      history[options.replace ? 'replaceState' : 'pushState'](null, '', next);
    }
    this.#read();
  }

  /** Changes query words only, in place: filters belong in the address but not in the back key's way. */
  setQuery(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(location.pathname + (text ? `?${text}` : ''), { replace: true });
  }

  /** Starts following the back key and plain clicks on links of the console; returns the stop. */
  listen(): () => void {
    const onPop = () => this.#read();
    const onClick = (event: MouseEvent) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
        return;
      const link = event.target instanceof Element ? event.target.closest('a[href]') : null;
      if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
      const url = new URL(link.href);
      if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
      if (url.hash && url.pathname === location.pathname) return;
      event.preventDefault();
      this.go(url.pathname + url.search);
    };
    addEventListener('popstate', onPop);
    addEventListener('click', onClick);
    return () => {
      removeEventListener('popstate', onPop);
      removeEventListener('click', onClick);
    };
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export const router = new Router();
