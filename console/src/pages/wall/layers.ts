/** Which pictures a tile holds: the one on screen, and the one asked for on top of it until it shows. Pure. */
import type { Which } from './wall.svelte';

export interface Layer {
  key: string;
  camera: string;
  which: Which;
}

export function layerOf(camera: string, which: Which): Layer {
  return { key: `${camera} ${which}`, camera, which };
}

/** Puts what is asked for on top; of what lies below only the picture on screen stays. */
export function ask(layers: readonly Layer[], onScreen: string, wanted: Layer): readonly Layer[] {
  if (layers.at(-1)?.key === wanted.key) return layers;
  return [...layers.filter((one) => one.key === onScreen && one.key !== wanted.key), wanted];
}

/** The layer has its picture: what lies below it goes. */
export function shown(layers: readonly Layer[], key: string): readonly Layer[] {
  const at = layers.findIndex((one) => one.key === key);
  return at > 0 ? layers.slice(at) : layers;
}

/**
 * The layer has no picture in time, or none at all. Another stream of the camera on screen is given up, and its picture
 * stays; a picture of another camera must not stand in for it and goes.
 */
export function giveUp(layers: readonly Layer[], onScreen: string, key: string): readonly Layer[] {
  const wanted = layers.find((one) => one.key === key);
  const below = layers.find((one) => one.key === onScreen);
  if (!wanted || key === onScreen) return layers;
  return below?.camera === wanted.camera ? [below] : [wanted];
}
