/** From hands to speeds: keys, a drag on the pad, a stick, and a rectangle drawn on the picture. Pure. */
export interface Move {
  /** Shares of the fastest, -1 to 1: right, up, in, far and open are positive. */
  pan: number;
  tilt: number;
  zoom: number;
  focus: number;
  iris: number;
}

export const STILL: Move = Object.freeze({ pan: 0, tilt: 0, zoom: 0, focus: 0, iris: 0 });

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A stick at rest is not exactly at its middle. */
const REST = 0.15;
/** Steps of speed: a trembling hand must not send a new movement each time. */
const STEPS = 10;
/** A smaller rectangle was a click. */
const LEAST = 0.03;

const KEYS: Readonly<Record<string, Partial<Move>>> = {
  ArrowLeft: { pan: -1 },
  ArrowRight: { pan: 1 },
  ArrowUp: { tilt: 1 },
  ArrowDown: { tilt: -1 },
  '+': { zoom: 1 },
  '=': { zoom: 1 },
  '-': { zoom: -1 },
  _: { zoom: -1 },
};

export const isMoveKey = (key: string): boolean => key in KEYS;

const within = (value: number): number => Math.max(-1, Math.min(1, value));
const stepped = (value: number): number => Math.round(within(value) * STEPS) / STEPS + 0;

/** The movement of all keys held down, at the speed chosen; opposite ones cancel. */
export function moveOfKeys(held: Iterable<string>, speed: number): Move {
  const move = { ...STILL };
  for (const key of new Set(held)) {
    const part = KEYS[key];
    if (!part) continue;
    move.pan += part.pan ?? 0;
    move.tilt += part.tilt ?? 0;
    move.zoom += part.zoom ?? 0;
  }
  return { ...move, pan: within(move.pan) * speed, tilt: within(move.tilt) * speed, zoom: within(move.zoom) * speed };
}

/** The movement of a drag from the middle of the pad, in shares of its radius, right and down positive. */
export function moveOfDrag(across: number, down: number): Move {
  return { ...STILL, pan: stepped(across), tilt: stepped(-down) };
}

/** The movement of a stick: the left one turns, the right one's length zooms. */
export function moveOfStick(axes: readonly number[]): Move {
  const rested = (value: number | undefined): number => {
    const size = Math.abs(value ?? 0);
    return size < REST ? 0 : (Math.sign(value ?? 0) * (size - REST)) / (1 - REST);
  };
  return { ...STILL, pan: stepped(rested(axes[0])), tilt: stepped(-rested(axes[1])), zoom: stepped(-rested(axes[3])) };
}

export const isStill = (move: Move): boolean =>
  move.pan === 0 && move.tilt === 0 && move.zoom === 0 && move.focus === 0 && move.iris === 0;

export const isSame = (one: Move, other: Move): boolean =>
  one.pan === other.pan &&
  one.tilt === other.tilt &&
  one.zoom === other.zoom &&
  one.focus === other.focus &&
  one.iris === other.iris;

/** The rectangle between two corners in shares of the picture; null for a click. */
export function rectangleOf(from: { x: number; y: number }, to: { x: number; y: number }): Rectangle | null {
  const share = (value: number): number => Math.max(0, Math.min(1, value));
  const [left, right] = [share(Math.min(from.x, to.x)), share(Math.max(from.x, to.x))];
  const [top, bottom] = [share(Math.min(from.y, to.y)), share(Math.max(from.y, to.y))];
  const found = { x: left, y: top, width: right - left, height: bottom - top };
  return found.width < LEAST || found.height < LEAST ? null : found;
}
