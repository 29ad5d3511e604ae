import { describe, expect, it } from 'vitest';
import { chase, shownWall, StallWatch } from '../src/lib/player/chase';

describe('keeping to the live edge', () => {
  it('does nothing before there is data', () => {
    expect(chase(0, [], 1)).toEqual({ rate: 1, seek_s: null, trim: null });
  });

  it('plays at speed when it is close enough', () => {
    expect(chase(9.6, [[0, 10]], 1).rate).toBe(1);
  });

  it('slows down when it runs into the edge', () => {
    expect(chase(9.96, [[0, 10]], 1).rate).toBe(0.95);
    expect(chase(9.96, [[0, 10]], 1.15).rate).toBe(0.95);
  });

  it('hurries gently, then more, then jumps', () => {
    expect(chase(8.9, [[0, 10]], 1).rate).toBe(1.06);
    expect(chase(7.5, [[0, 10]], 1).rate).toBe(1.15);
    expect(chase(2, [[0, 10]], 1)).toMatchObject({ rate: 1, seek_s: 9.75 });
  });

  it('does not swing between two speeds at a boundary', () => {
    expect(chase(8.78, [[0, 10]], 1.15).rate).toBe(1.15);
    expect(chase(8.72, [[0, 10]], 1.06).rate).toBe(1.06);
  });

  it('goes on behind a hole', () => {
    const step = chase(4.5, [[0, 4], [5, 5.3]], 1);
    expect(step.seek_s).toBeCloseTo(5.05);
    expect(chase(4.5, [[0, 4], [5, 9]], 1).seek_s).toBeCloseTo(8.75);
  });

  it('goes on behind a hole that is not the last', () => {
    expect(chase(4.5, [[0, 4], [5, 6], [7, 8]], 1).seek_s).toBeCloseTo(5.05);
  });

  it('drops what was seen long ago', () => {
    expect(chase(40, [[10, 40.5]], 1).trim).toEqual([10, 30]);
    expect(chase(25, [[10, 25.5]], 1).trim).toBeNull();
  });
});

describe('noticing a stopped picture', () => {
  it('seeks after two seconds without movement while data arrives, and rebuilds the third time', () => {
    const watch = new StallWatch();
    expect(watch.watch(5, true, 0)).toBe('go_on');
    expect(watch.watch(5, true, 1_500)).toBe('go_on');
    expect(watch.watch(5, true, 2_100)).toBe('seek');
    expect(watch.watch(5, true, 4_200)).toBe('seek');
    expect(watch.watch(5, true, 6_300)).toBe('rebuild');
  });

  it('does not blame the player when no data arrives', () => {
    const watch = new StallWatch();
    watch.watch(5, true, 0);
    expect(watch.watch(5, false, 10_000)).toBe('go_on');
  });

  it('forgets stalls of long ago', () => {
    const watch = new StallWatch();
    watch.watch(5, true, 0);
    watch.watch(5, true, 2_100);
    watch.watch(5, true, 4_200);
    watch.watch(6, true, 60_000);
    expect(watch.watch(6, true, 62_100)).toBe('seek');
  });
});

describe('the age of the frame on screen', () => {
  it('subtracts what lies between the screen and the newest frame', () => {
    expect(shownWall(100_000, 12, 11.5, 12)).toBe(99_500);
  });
  it('counts on from the last status for frames that came since', () => {
    expect(shownWall(100_000, 12, 12.75, 13)).toBe(100_750);
  });
  it('never claims a frame newer than what has arrived', () => {
    expect(shownWall(100_000, 12, 15, 12.5)).toBe(100_500);
  });
});
