/** Where a player's recordings come from: our own server, under a view over recordings. */
import { api } from '$lib/api/client';
import type { GroupRef, Listing } from './index';

export type Which = 'main' | 'sub';

export interface RecordSource {
  list(from_ms: number, to_ms: number, signal?: AbortSignal): Promise<Listing>;
  init(codec_no: number): Promise<ArrayBuffer>;
  groups(first: GroupRef, last: number, signal?: AbortSignal): Promise<ArrayBuffer>;
  /** Key pictures alone, each as long as its group over `pace`; `last` is the group they reach to. */
  keys(segment_ms: number, from: number, to: number, pace: number, isReverse: boolean, signal?: AbortSignal): Promise<{ data: ArrayBuffer; last: number }>;
}

export class ViewSource implements RecordSource {
  #root: string;
  #stream: Which;
  #inits = new Map<number, Promise<ArrayBuffer>>();

  constructor(viewId: string, channel: string, stream: Which = 'main') {
    this.#root = `/views/${viewId}/recorded/${encodeURIComponent(channel)}`;
    this.#stream = stream;
  }

  list(from_ms: number, to_ms: number, signal?: AbortSignal): Promise<Listing> {
    const params = { from: new Date(from_ms).toISOString(), to: new Date(to_ms).toISOString(), stream: this.#stream };
    return api.get<Listing>(this.#root, params, signal);
  }

  init(codec_no: number): Promise<ArrayBuffer> {
    let found = this.#inits.get(codec_no);
    if (!found) {
      found = api.bytes(`${this.#root}/init/${codec_no}`).then((one) => one.data);
      found.catch(() => this.#inits.delete(codec_no));
      this.#inits.set(codec_no, found);
    }
    return found;
  }

  async groups(first: GroupRef, last: number, signal?: AbortSignal): Promise<ArrayBuffer> {
    const path = `${this.#root}/segments/${first.segment.start_ms}/groups/${first.n}-${last}`;
    return (await api.bytes(path, { stream: this.#stream }, signal)).data;
  }

  async keys(segment_ms: number, from: number, to: number, pace: number, isReverse: boolean, signal?: AbortSignal) {
    const params = { stream: this.#stream, pace, reverse: isReverse ? 'true' : undefined };
    const found = await api.bytes(`${this.#root}/segments/${segment_ms}/keys/${from}-${to}`, params, signal);
    return { data: found.data, last: Number(found.headers.get('X-Last-Group') ?? (isReverse ? from : to)) };
  }
}
