import { describe, expect, it } from 'vitest';
import { isMoveKey, isSame, isStill, moveOfDrag, moveOfKeys, moveOfStick, rectangleOf, STILL } from '../src/lib/control/speeds';

describe('hands become speeds', () => {
  it('adds the keys held and cancels opposite ones', () => {
    expect(moveOfKeys(['ArrowRight', 'ArrowUp'], 0.5)).toEqual({ ...STILL, pan: 0.5, tilt: 0.5 });
    expect(isStill(moveOfKeys(['ArrowLeft', 'ArrowRight'], 1))).toBe(true);
    expect(moveOfKeys(['+', '='], 0.3).zoom).toBe(0.3);
    expect(isMoveKey('a')).toBe(false);
  });

  it('turns a drag into steps, up positive and never faster than all', () => {
    expect(moveOfDrag(0.52, 0.48)).toEqual({ ...STILL, pan: 0.5, tilt: -0.5 });
    expect(moveOfDrag(4, -4)).toEqual({ ...STILL, pan: 1, tilt: 1 });
  });

  it('takes a stick at rest for rest', () => {
    expect(isStill(moveOfStick([0.1, -0.12, 0, 0.05]))).toBe(true);
    expect(moveOfStick([1, -1, 0, 1])).toEqual({ ...STILL, pan: 1, tilt: 1, zoom: -1 });
    expect(isStill(moveOfStick([]))).toBe(true);
  });

  it('compares movements', () => {
    expect(isSame({ ...STILL, pan: 0.5 }, { ...STILL, pan: 0.5 })).toBe(true);
    expect(isSame({ ...STILL, pan: 0.5 }, STILL)).toBe(false);
  });

  it('reads a rectangle drawn in any direction and ignores a click', () => {
    expect(rectangleOf({ x: 0.75, y: 0.75 }, { x: 0.25, y: 0.5 })).toEqual({ x: 0.25, y: 0.5, width: 0.5, height: 0.25 });
    expect(rectangleOf({ x: 0.5, y: 0.5 }, { x: 0.51, y: 0.9 })).toBeNull();
    expect(rectangleOf({ x: -1, y: 0.5 }, { x: 2, y: 1 })).toEqual({ x: 0, y: 0.5, width: 1, height: 0.5 });
  });
});
