/**
 * Marks that come in hundreds, drawn on one canvas over the map: an element for each would cost the page its pace in an
 * alarm storm. Shapes as in `PriorityMark`; the lists beside the map are the way for keys and screen readers.
 */
import type { Map as MapLibre } from 'maplibre-gl';
import type { MapMark } from './town.svelte';

interface Sprite {
  image: HTMLCanvasElement;
  width_px: number;
  height_px: number;
  /** The pixel of the picture that stands on the mark's point. */
  x_px: number;
  y_px: number;
}

type Path = readonly (readonly [number, number])[];

const TRIANGLE: Path = [[0.5, 0], [1, 1], [0, 1]];
const DIAMOND: Path = [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]];
const SQUARE: Path = [[0, 0], [1, 0], [1, 1], [0, 1]];

const EDGE_PX = 2;
const PANEL_PX = 9;

const lookOf = (mark: MapMark): string =>
  mark.kind === 'panel' ? `panel ${mark.tone ?? 'ok'}` : `${mark.priority ?? 0} ${mark.label}${mark.isSelected ? ' selected' : ''}`;

export class MarkLayer {
  #canvas = document.createElement('canvas');
  #sprites = new Map<string, Sprite>();
  #marks: readonly MapMark[] = [];
  /** What was drawn where, the topmost last. */
  #drawn: { mark: MapMark; left: number; top: number; sprite: Sprite }[] = [];
  #frame = 0;

  constructor(
    private readonly map: MapLibre,
    zIndex: number,
  ) {
    this.#canvas.setAttribute('aria-hidden', 'true');
    Object.assign(this.#canvas.style, { position: 'absolute', left: '0', top: '0', pointerEvents: 'none', zIndex: String(zIndex) });
    map.getCanvasContainer().append(this.#canvas);
    map.on('move', this.#draw);
    map.on('resize', this.#soon);
  }

  /** Shows these, the first one on top. */
  show(marks: readonly MapMark[]): void {
    const known = this.#marks;
    this.#marks = marks;
    if (known.length !== marks.length || marks.some((mark, n) => mark !== known[n])) this.#soon();
  }

  /** Draws anew with the colours now in force. */
  restyle(): void {
    this.#sprites.clear();
    this.#soon();
  }

  /** The topmost mark under a point of the map. */
  at(point: { x: number; y: number }): MapMark | null {
    const found = this.#drawn.findLast(
      ({ left, top, sprite }) =>
        point.x >= left && point.x <= left + sprite.width_px && point.y >= top && point.y <= top + sprite.height_px,
    );
    return found?.mark ?? null;
  }

  remove(): void {
    cancelAnimationFrame(this.#frame);
    this.map.off('move', this.#draw);
    this.map.off('resize', this.#soon);
    this.#canvas.remove();
  }

  #soon = (): void => {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(this.#draw);
  };

  #draw = (): void => {
    // A canvas without marks would be cleared, painted and laid over the map in every frame all the same.
    this.#canvas.style.display = this.#marks.length > 0 ? '' : 'none';
    if (this.#marks.length === 0) {
      this.#drawn = [];
      return;
    }
    const ground = this.map.getCanvas();
    const [width, height] = [ground.clientWidth, ground.clientHeight];
    const scale = devicePixelRatio || 1;
    if (this.#canvas.width !== Math.round(width * scale) || this.#canvas.height !== Math.round(height * scale)) {
      this.#canvas.width = Math.round(width * scale);
      this.#canvas.height = Math.round(height * scale);
      Object.assign(this.#canvas.style, { width: `${width}px`, height: `${height}px` });
      this.#sprites.clear();
    }
    const pen = this.#canvas.getContext('2d');
    if (!pen) return;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#drawn = [];
    const put = (mark: MapMark) => {
      const sprite = this.#spriteOf(mark, scale);
      const point = this.map.project([mark.lon, mark.lat] as [number, number]);
      const [left, top] = [Math.round(point.x - sprite.x_px), Math.round(point.y - sprite.y_px)];
      if (left > width || top > height || left + sprite.width_px < 0 || top + sprite.height_px < 0) return;
      pen.drawImage(sprite.image, left, top, sprite.width_px, sprite.height_px);
      this.#drawn.push({ mark, left, top, sprite });
    };
    for (const mark of this.#marks.toReversed()) if (!mark.isSelected) put(mark);
    for (const mark of this.#marks) if (mark.isSelected) put(mark);
  };

  #spriteOf(mark: MapMark, scale: number): Sprite {
    const look = lookOf(mark);
    let sprite = this.#sprites.get(look);
    if (!sprite) this.#sprites.set(look, (sprite = mark.kind === 'panel' ? this.#panel(mark, scale) : this.#incident(mark, scale)));
    return sprite;
  }

  #incident(mark: MapMark, scale: number): Sprite {
    const style = getComputedStyle(this.map.getContainer());
    const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const isRound = mark.priority === 3;
    const size = mark.isSelected ? 32 : isRound ? 20 : 24;
    const path = mark.priority === 1 ? TRIANGLE : mark.priority === 2 ? DIAMOND : SQUARE;
    const colour = read(['dim', 'act', 'soon', 'info'][mark.priority ?? 0] ?? 'dim');
    const { image, pen } = sheet(size + 2 * EDGE_PX, scale);
    outline(pen, isRound ? null : path, size);
    pen.lineWidth = 2 * EDGE_PX;
    pen.lineJoin = 'round';
    pen.strokeStyle = read('panel');
    pen.stroke();
    pen.fillStyle = colour;
    pen.fill();
    pen.fillStyle = read('panel');
    pen.font = `600 ${mark.isSelected ? 14 : 11}px ${style.fontFamily}`;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(mark.label, EDGE_PX + size / 2, EDGE_PX + size * (mark.priority === 1 ? 0.66 : 0.52));
    const side = size + 2 * EDGE_PX;
    return { image, width_px: side, height_px: side, x_px: side / 2, y_px: side - EDGE_PX };
  }

  #panel(mark: MapMark, scale: number): Sprite {
    const style = getComputedStyle(this.map.getContainer());
    const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const { image, pen } = sheet(PANEL_PX + 2 * EDGE_PX, scale);
    outline(pen, mark.tone === 'act' ? TRIANGLE : SQUARE, PANEL_PX);
    pen.lineWidth = 1.5;
    pen.fillStyle = mark.tone === 'act' ? read('act') : mark.tone === 'off' ? read('panel') : read('ok');
    pen.strokeStyle = mark.tone === 'off' ? read('faint') : read('panel');
    pen.fill();
    pen.stroke();
    const side = PANEL_PX + 2 * EDGE_PX;
    return { image, width_px: side, height_px: side, x_px: side / 2, y_px: side / 2 };
  }
}

function sheet(side_px: number, scale: number): { image: HTMLCanvasElement; pen: CanvasRenderingContext2D } {
  const image = document.createElement('canvas');
  image.width = image.height = Math.ceil(side_px * scale);
  const pen = image.getContext('2d');
  if (!pen) throw new Error('this browser draws no canvas');
  pen.scale(scale, scale);
  return { image, pen };
}

/** A path of `size` pixels inside its edge; a circle without corners. */
function outline(pen: CanvasRenderingContext2D, path: Path | null, size: number): void {
  pen.beginPath();
  if (path === null) pen.arc(EDGE_PX + size / 2, EDGE_PX + size / 2, size / 2, 0, 2 * Math.PI);
  else for (const [x, y] of path) pen.lineTo(EDGE_PX + x * size, EDGE_PX + y * size);
  pen.closePath();
}
