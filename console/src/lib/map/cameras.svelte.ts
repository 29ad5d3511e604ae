/** Every camera of the town for the map: read once while a map is open, then patched from the feed. */
import type { GeoJSONSourceDiff } from 'maplibre-gl';
import { api } from '$lib/api/client';
import type { Camera, Page } from '$lib/api/types';
import { feed } from '$lib/feed/feed.svelte';
import { now } from '$lib/state/now.svelte';
import { PointBook, type CameraPoint, type PointColumns } from './points';

type Listener = (diff: GeoJSONSourceDiff) => void;

/** A device's change may be its line's: its cameras are asked again, all devices of this time together. */
const DEVICES_MS = 1_000;
/** With more devices than this the columns are read anew. */
const MOST_DEVICES = 10;
const PAGE = 500;

class TownCameras {
  readonly book = new PointBook();
  /** Grows with each reading: who draws them begins anew. */
  reading = $state(0);
  error = $state.raw<unknown>(null);
  isReading = $state(false);
  /** When the points were last read whole, on the server's clock; null before the first reading. */
  readAt_ms = $state<number | null>(null);
  /** What is drawn may be of earlier: nobody has followed the feed since, or the last reading failed. */
  isOld = $state(true);
  #listeners = new Set<Listener>();
  #users = 0;
  #stop: () => void = () => undefined;
  #abort: AbortController | null = null;

  /** Keeps the points current while somebody shows them; returns the stop. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#users++ === 0) {
      const offs = [
        feed.onReread(() => void this.#read()),
        feed.onAll('camera.changed', (frames) => this.#take(frames.map((frame) => (frame.data ?? {}) as Partial<Camera>))),
        feed.on('device.changed', (frame) => this.#ask((frame.data as { id?: string } | undefined)?.id)),
        () => clearTimeout(this.#soon),
      ];
      this.#stop = () => offs.forEach((off) => off());
      void this.#read();
    }
    return () => {
      this.#listeners.delete(listener);
      if (--this.#users > 0) return;
      this.#stop();
      this.#abort?.abort();
      this.isReading = false;
      this.isOld = true;
    };
  }

  get(id: string): CameraPoint | undefined {
    return this.book.get(id);
  }

  /** Reads them again: a person asked for it. */
  retry(): void {
    void this.#read();
  }

  /** Changes that arrive while the columns are under way, taken in again after them. */
  #during: Partial<Camera>[] = [];

  async #read(): Promise<void> {
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    this.isReading = true;
    this.#during = [];
    try {
      this.book.fill(await api.get<PointColumns>('/camera-points', undefined, abort.signal));
      this.book.patch(this.#during);
      this.error = null;
      this.isOld = false;
      this.readAt_ms = now.exact();
      this.reading++;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error = error;
      this.isOld = true;
    }
    this.isReading = false;
    this.#during = [];
  }

  #devices = new Set<string>();
  #soon: ReturnType<typeof setTimeout> | undefined;

  #ask(device: string | undefined): void {
    if (!device) return;
    this.#devices.add(device);
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.#readDevices(), DEVICES_MS);
  }

  async #readDevices(): Promise<void> {
    const devices = [...this.#devices];
    this.#devices.clear();
    if (devices.length > MOST_DEVICES) return this.#read();
    try {
      for (const device_id of devices) {
        let after: string | null = null;
        do {
          const page: Page<Camera> = await api.list<Camera>('/cameras', { device_id, limit: PAGE, after });
          this.#take(page.items);
          after = page.next;
        } while (after);
      }
    } catch (error) {
      this.error = error;
      this.isOld = true;
    }
  }

  #take(changes: readonly Partial<Camera>[]): void {
    if (this.isReading) this.#during.push(...changes);
    const diff = this.book.patch(changes);
    if (diff) for (const listener of this.#listeners) listener(diff);
  }
}

export const townCameras = new TownCameras();
