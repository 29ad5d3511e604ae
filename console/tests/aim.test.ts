import { describe, expect, it } from 'vitest';
import { distanceM, towards } from '../src/lib/geo';
import { aimedAt, edgeOf, FIRST_AIM, keyed, LEAST_FOV_DEG, MOST_FOV_DEG, openedTo, tipOf } from '../src/lib/map/aim';

const AT = { lon: 118.19, lat: 30.93 };

describe('the view of a camera set on the map', () => {
  it('follows the far edge in direction and reach, and nothing else', () => {
    const aim = aimedAt(AT, FIRST_AIM, towards(AT, 90, 120));
    expect(aim).toEqual({ bearing_deg: 90, fov_deg: FIRST_AIM.fov_deg, range_m: 120 });
    expect(Math.round(distanceM(AT, tipOf(AT, aim)))).toBe(120);
  });
  it('opens to both sides as far as its edge is dragged', () => {
    const aim = { bearing_deg: 350, fov_deg: 60, range_m: 50 };
    expect(openedTo(AT, aim, towards(AT, 35, 50)).fov_deg).toBe(90);
    expect(openedTo(AT, aim, towards(AT, 350, 50)).fov_deg).toBe(LEAST_FOV_DEG);
    expect(openedTo(AT, aim, towards(AT, 345, 50)).fov_deg).toBe(MOST_FOV_DEG);
  });
  it('stands where it was set', () => {
    const aim = { bearing_deg: 200, fov_deg: 80, range_m: 70 };
    const edge = edgeOf(AT, aim);
    expect(openedTo(AT, aim, edge).fov_deg).toBe(80);
    expect(aimedAt(AT, aim, tipOf(AT, aim))).toEqual(aim);
  });
  it('turns with the arrow keys through north, and reaches no farther than it may', () => {
    expect(keyed({ ...FIRST_AIM, bearing_deg: 358 }, 'tip', 'ArrowRight', false)?.bearing_deg).toBe(3);
    expect(keyed(FIRST_AIM, 'tip', 'ArrowLeft', true)?.bearing_deg).toBe(359);
    expect(keyed({ ...FIRST_AIM, range_m: 3 }, 'tip', 'ArrowDown', false)?.range_m).toBe(2);
    expect(keyed({ ...FIRST_AIM, fov_deg: 358 }, 'edge', 'ArrowUp', false)?.fov_deg).toBe(360);
    expect(keyed(FIRST_AIM, 'edge', 'Enter', false)).toBeNull();
  });
});
