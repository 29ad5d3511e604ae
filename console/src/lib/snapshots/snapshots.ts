/** Pictures cameras took: what the API says of them, and fetching one so that it can be shown and taken off again. */
import { address, ApiError } from '$lib/api/client';

export interface Snapshot {
  id: string;
  camera_id: string;
  view_id: string;
  incident_id: string | null;
  purpose: string;
  is_by_house: boolean;
  received_at: string;
  expires_at: string;
  size_bytes: number;
  sha256: string;
}

/** Fetches a picture once; each fetch is a look and leaves a record. The caller revokes the address. */
export async function pictureOf(one: Snapshot): Promise<string> {
  const response = await fetch(address(`/snapshots/${one.id}/picture`), { credentials: 'same-origin' });
  if (!response.ok) throw new ApiError(response.status === 404 ? 'not_found' : 'forbidden', response.status, '', '');
  return URL.createObjectURL(await response.blob());
}

/** Takes a picture out of the house as a file. */
export function takeOut(one: Snapshot): void {
  const link = document.createElement('a');
  link.href = address(`/snapshots/${one.id}/file`);
  link.download = '';
  link.click();
}
