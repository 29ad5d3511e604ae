/** The cameras as a tree: jurisdiction, place, camera; flat, in the order it is drawn. Pure. */
import type { Camera, Jurisdiction, Place } from '$lib/api/types';

export type NodeKind = 'jurisdiction' | 'place' | 'camera';

export interface TreeNode {
  /** `j:<id>`, `p:<id>` (`p::<jurisdiction>` for cameras without a place there), `c:<id>`. */
  key: string;
  kind: NodeKind;
  id: string;
  level: number;
  /** Null at leaves. */
  isOpen: boolean | null;
  online: number;
  total: number;
  camera: Camera | null;
}

interface Ground {
  jurisdictions: readonly Jurisdiction[];
  place: (id: string | null) => Place | null;
  name: (thing: { name: string; name_en: string }) => string;
}

/** Where a camera hangs: the jurisdiction of its place, else its own. */
export const homeOf = (camera: Camera, place: (id: string | null) => Place | null): string =>
  place(camera.place_id)?.jurisdiction_id ?? camera.jurisdiction_id ?? '';

export const placeKey = (camera: Camera, place: (id: string | null) => Place | null): string =>
  camera.place_id ? `p:${camera.place_id}` : `p::${homeOf(camera, place)}`;

/** The rows of the tree; branches without cameras are left out, `open` holds the keys of the open ones. */
export function treeOf(cameras: readonly Camera[], ground: Ground, open: ReadonlySet<string>): TreeNode[] {
  const byPlace = new Map<string, Camera[]>();
  const placesOf = new Map<string, Set<string>>();
  for (const camera of cameras) {
    const key = placeKey(camera, ground.place);
    const home = homeOf(camera, ground.place);
    byPlace.set(key, [...(byPlace.get(key) ?? []), camera]);
    placesOf.set(home, (placesOf.get(home) ?? new Set()).add(key));
  }
  const known = new Set(ground.jurisdictions.map((node) => node.id));
  const below = new Map<string | null, Jurisdiction[]>();
  for (const node of ground.jurisdictions) {
    const parent = node.parent_id !== null && known.has(node.parent_id) ? node.parent_id : null;
    below.set(parent, [...(below.get(parent) ?? []), node]);
  }
  const isOnline = (camera: Camera) => camera.state === 'online';

  /** Rows of one jurisdiction, and the cameras under it. */
  function branch(node: Jurisdiction, level: number): { rows: TreeNode[]; cameras: Camera[] } {
    const inner: TreeNode[] = [];
    const all: Camera[] = [];
    for (const child of below.get(node.id) ?? []) {
      const made = branch(child, level + 1);
      inner.push(...made.rows);
      all.push(...made.cameras);
    }
    const places = [...(placesOf.get(node.id) ?? [])].map((key) => ({ key, place: ground.place(key.slice(2)) }));
    places.sort((a, b) => (a.place ? ground.name(a.place) : '\uffff').localeCompare(b.place ? ground.name(b.place) : '\uffff'));
    for (const { key } of places) {
      const here = byPlace.get(key) ?? [];
      all.push(...here);
      const isOpen = open.has(key);
      inner.push({
        key,
        kind: 'place',
        id: key.slice(2),
        level: level + 1,
        isOpen,
        online: here.filter(isOnline).length,
        total: here.length,
        camera: null,
      });
      if (!isOpen) continue;
      for (const camera of [...here].sort((a, b) => ground.name(a).localeCompare(ground.name(b)))) {
        inner.push({
          key: `c:${camera.id}`,
          kind: 'camera',
          id: camera.id,
          level: level + 2,
          isOpen: null,
          online: isOnline(camera) ? 1 : 0,
          total: 1,
          camera,
        });
      }
    }
    if (all.length === 0) return { rows: [], cameras: [] };
    const key = `j:${node.id}`;
    const isOpen = open.has(key);
    const own: TreeNode = {
      key,
      kind: 'jurisdiction',
      id: node.id,
      level,
      isOpen,
      online: all.filter(isOnline).length,
      total: all.length,
      camera: null,
    };
    return { rows: isOpen ? [own, ...inner] : [own], cameras: all };
  }
  return (below.get(null) ?? []).flatMap((node) => branch(node, 1).rows);
}

/** The jurisdictions at and below one, by id. */
export function subtree(id: string, jurisdictions: readonly Jurisdiction[]): Set<string> {
  const found = new Set([id]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const node of jurisdictions) {
      if (node.parent_id && found.has(node.parent_id) && !found.has(node.id)) {
        found.add(node.id);
        grown = true;
      }
    }
  }
  return found;
}
