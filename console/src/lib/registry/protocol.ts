/** What a camera's protocol can do here, told from its id: only GB/T 28181 numbers have twenty digits. */
import type { Camera } from '$lib/api/types';

/** Only cameras over GB/T 28181 are spoken through and asked for the recordings that lie in them. */
export const isGb = (camera: Pick<Camera, 'gb_id'>): boolean => /^[0-9]{20}$/.test(camera.gb_id);
