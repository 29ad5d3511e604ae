/** The two handles of a camera's view on the map: drawn as markers, for the pointer and for the keys. */
import { Marker, type Map as MapLibre } from 'maplibre-gl';
import type { Point } from '$lib/geo';
import { aimedAt, edgeOf, keyed, openedTo, tipOf, type Aim } from './aim';

export interface HandleWords {
  tip: (aim: Aim) => string;
  edge: (aim: Aim) => string;
  tipLabel: string;
  edgeLabel: string;
}

type Name = 'tip' | 'edge';
/** Between the middles of both handles, so that each has its 24 px and some. */
const APART_PX = 34;

export class AimHandles {
  #at: Point;
  #aim: Aim;
  #held: Name | null = null;
  #markers: Record<Name, Marker>;

  constructor(
    private readonly map: MapLibre,
    at: Point,
    aim: Aim,
    private words: HandleWords,
    private readonly onaim: (aim: Aim) => void,
  ) {
    this.#at = at;
    this.#aim = aim;
    this.#markers = { tip: this.#make('tip'), edge: this.#make('edge') };
    this.#place();
    for (const marker of Object.values(this.#markers)) marker.addTo(map);
    map.on('zoom', this.#keepApart);
    this.#keepApart();
  }

  /** Follows what stands in the fields beside the map. */
  show(at: Point, aim: Aim, words: HandleWords): void {
    this.#at = at;
    this.#aim = aim;
    this.words = words;
    this.#place();
  }

  remove(): void {
    this.map.off('zoom', this.#keepApart);
    for (const marker of Object.values(this.#markers)) marker.remove();
  }

  #make(name: Name): Marker {
    const element = document.createElement('button');
    element.type = 'button';
    element.className = `aim ${name}`;
    element.setAttribute('role', 'slider');
    element.addEventListener('keydown', (event) => {
      const next = keyed(this.#aim, name, event.key, event.shiftKey);
      if (!next) return;
      event.preventDefault();
      event.stopPropagation();
      this.#set(next);
    });
    element.addEventListener('click', (event) => event.stopPropagation());
    const marker = new Marker({ element, draggable: true }).setLngLat([this.#at.lon, this.#at.lat]);
    marker.on('dragstart', () => (this.#held = name));
    marker.on('drag', () => {
      const { lng: lon, lat } = marker.getLngLat();
      this.#set((name === 'tip' ? aimedAt : openedTo)(this.#at, this.#aim, { lon, lat }));
    });
    marker.on('dragend', () => {
      this.#held = null;
      this.#place();
    });
    return marker;
  }

  #set(aim: Aim): void {
    this.#aim = aim;
    this.#place();
    this.onaim(aim);
  }

  /** From far away both would lie on each other: the second one steps aside, so that a finger finds it. */
  #keepApart = (): void => {
    if (this.#held) return;
    const spots = { tip: tipOf(this.#at, this.#aim), edge: edgeOf(this.#at, this.#aim) };
    const tip = this.map.project([spots.tip.lon, spots.tip.lat]);
    const edge = this.map.project([spots.edge.lon, spots.edge.lat]);
    const apart = Math.hypot(edge.x - tip.x, edge.y - tip.y);
    const [x, y] = apart > 1 ? [(edge.x - tip.x) / apart, (edge.y - tip.y) / apart] : [1, 0];
    const more = Math.max(0, APART_PX - apart);
    this.#markers.edge.setOffset([x * more, y * more]);
  };

  /** What is under the pointer stays there until it is let go. */
  #place(): void {
    const aim = this.#aim;
    const spots = { tip: tipOf(this.#at, aim), edge: edgeOf(this.#at, aim) };
    for (const name of ['tip', 'edge'] as const) {
      const marker = this.#markers[name];
      if (this.#held !== name) marker.setLngLat([spots[name].lon, spots[name].lat]);
      const element = marker.getElement();
      element.setAttribute('aria-label', name === 'tip' ? this.words.tipLabel : this.words.edgeLabel);
      element.setAttribute('aria-valuemin', '0');
      element.setAttribute('aria-valuemax', '360');
      element.setAttribute('aria-valuenow', String(name === 'tip' ? aim.bearing_deg : aim.fov_deg));
      element.setAttribute('aria-valuetext', this.words[name](aim));
      element.title = this.words[name](aim);
    }
    this.#keepApart();
  }
}
