/** What every form of a device has: name and place, reading, what is wrong, sending what changed. */
import * as m from '$m';
import { api } from '$lib/api/client';
import type { Device } from '$lib/api/types';
import { changes, fieldErrors, toFirstError } from '$lib/registry/form';
import { router } from '$lib/router.svelte';
import { toasts } from '$lib/state/toasts.svelte';

type Words = Record<string, string>;

export class DeviceEntry {
  device = $state.raw<Device | null>(null);
  phase = $state<'loading' | 'ready' | 'failed'>('loading');
  readError = $state.raw<unknown>(null);
  name = $state('');
  nameEn = $state('');
  placeId = $state('');
  jurisdictionId = $state('');
  form = $state<HTMLFormElement | null>(null);
  isBusy = $state(false);
  error = $state.raw<unknown>(null);
  faults = $state.raw<Words>({});
  #before: Record<string, unknown> | null = null;

  /** `from`: where somebody who enters a new one came from; `own`: what the form holds beside name and place. */
  constructor(
    readonly id: string | null,
    readonly from: string,
    readonly own: () => Record<string, unknown>,
  ) {}

  get back(): string {
    return this.id === null ? this.from : `/devices/${this.id}`;
  }

  /** The form as the server takes it. */
  body(): Record<string, unknown> {
    return {
      name: this.name.trim(),
      name_en: this.nameEn.trim(),
      place_id: this.placeId || null,
      ...(this.placeId ? {} : { jurisdiction_id: this.jurisdictionId || null }),
      ...this.own(),
    };
  }

  /** The error of a field, wherever in the body it stands. */
  of = (field: string): string => this.faults[field] ?? this.faults[`address.${field}`] ?? '';

  /** Reads what the form needs; `take` fills the form's own fields with a device that is there. */
  async read<T extends Device>(take: (device: T) => void, beside: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    this.phase = 'loading';
    try {
      const [found] = await Promise.all([this.id === null ? null : api.get<T>(`/devices/${this.id}`), beside()]);
      if (found) {
        this.device = found;
        this.name = found.name;
        this.nameEn = found.name_en;
        this.placeId = found.place_id ?? '';
        this.jurisdictionId = found.jurisdiction_id ?? '';
        take(found);
        this.#before = this.body();
      }
      this.phase = 'ready';
    } catch (failure) {
      this.readError = failure;
      this.phase = 'failed';
    }
  }

  /** Sends what changed of a device that is there, or lets `make` enter a new one, unless something is known to be wrong. */
  async send(wrong: Words, labels: Words, make: () => Promise<void>): Promise<void> {
    this.error = null;
    this.faults = {
      ...wrong,
      ...(this.name.trim() ? {} : { name: m.registry_required() }),
      ...(this.placeId || this.jurisdictionId ? {} : { jurisdiction_id: m.devices_where_required() }),
    };
    if (Object.keys(this.faults).length > 0) return toFirstError(this.form);
    this.isBusy = true;
    try {
      if (this.device && this.#before) await this.#change(this.device, this.#before);
      else await make();
    } catch (failure) {
      this.error = failure;
      this.faults = fieldErrors(failure, labels);
      await toFirstError(this.form);
    } finally {
      this.isBusy = false;
    }
  }

  async #change(device: Device, before: Record<string, unknown>): Promise<void> {
    const changed = changes(before, this.body());
    if (Object.keys(changed).length > 0) {
      await api.patch<Device>(`/devices/${device.id}`, { version: device.version, ...changed });
      toasts.say(m.registry_saved(), { tone: 'ok' });
    }
    router.go(`/devices/${device.id}`);
  }
}
