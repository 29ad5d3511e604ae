/** Trying a camera: what the server tells of it, and reading it until it is over. */
import * as m from '$m';
import { api } from '$lib/api/client';
import type { Stage } from './Stages.svelte';

export interface Trial {
  id: string;
  state: 'running' | 'ok' | 'failed' | 'ended';
  stages: { name: string; state: Stage['state']; key: string; words: string; took_ms: number }[];
  certificate: { fingerprint: string; subject: string; until: string } | null;
  maker: string;
  model: string;
  shows: boolean;
}
export interface TrialOrder {
  protocol: string;
  url: string;
  username: string;
  password: string;
  transport: string;
  certificate: string;
}
const EACH_MS = 300;
const LABELS: Record<string, () => string> = {
  reach: m.devices_stage_reach,
  speaks: m.devices_stage_speaks,
  credentials: m.devices_stage_credentials,
  profiles: m.devices_stage_profiles,
  stream: m.devices_stage_stream,
  picture: m.devices_stage_picture,
};

/** The stages as they are shown. */
export function stagesOf(trial: Trial): Stage[] {
  return trial.stages.map((stage) => ({ ...stage, label: LABELS[stage.name]?.() ?? stage.name }));
}

/** Begins a trial and tells of each change until it is over or `isWanted` says no more. */
export async function follow(order: TrialOrder, tell: (trial: Trial) => void, isWanted: () => boolean): Promise<Trial> {
  let trial = await api.post<Trial>('/camera-trials', { ...order });
  tell(trial);
  while (trial.state === 'running' && isWanted()) {
    await new Promise((wake) => setTimeout(wake, EACH_MS));
    trial = await api.get<Trial>(`/camera-trials/${trial.id}`);
    if (isWanted()) tell(trial);
  }
  return trial;
}
