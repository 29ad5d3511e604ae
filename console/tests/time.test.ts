import { describe, expect, it } from 'vitest';
import { bearing, distance, duration, relative, stopwatch, toMs, utcFull } from '../src/lib/i18n/time';
import { bearingDeg, cone, distanceM, towards } from '../src/lib/geo';

const NOW = Date.parse('2026-11-22T02:14:31Z');
const ago = (seconds: number) => NOW - seconds * 1000;

describe('relative times', () => {
  it('speaks English', () => {
    expect(relative(ago(12), NOW, 'en')).toBe('12 seconds ago');
    expect(relative(ago(60), NOW, 'en')).toBe('1 minute ago');
    expect(relative(ago(7_199), NOW, 'en')).toBe('1 hour ago');
    expect(relative(ago(-90), NOW, 'en')).toBe('in 1 minute');
    expect(relative(ago(3 * 86_400), NOW, 'en')).toBe('3 days ago');
  });

  it('speaks Chinese', () => {
    expect(relative(ago(12), NOW, 'zh-CN')).toBe('12秒钟前');
    expect(relative(ago(180), NOW, 'zh-CN')).toBe('3分钟前');
    expect(relative(ago(-3_600), NOW, 'zh-CN')).toBe('1小时后');
  });
});

describe('stopwatches and spans', () => {
  it('counts as a stopwatch does', () => {
    expect(stopwatch(24_000, 'en')).toBe('0:24');
    expect(stopwatch(871_999, 'en')).toBe('14:31');
    expect(stopwatch(3_729_000, 'en')).toBe('1:02:09');
    expect(stopwatch(-5, 'en')).toBe('0:00');
    expect(stopwatch(273_600_000, 'zh-CN')).toBe('3 天 04:00');
  });

  it('names spans with their units', () => {
    expect(duration(300, 'en')).toBe('0.3 s');
    expect(duration(185_000, 'en')).toBe('3 min 05 s');
    expect(duration(185_000, 'zh-CN')).toBe('3 分 05 秒');
    expect(duration(7_800_000, 'en')).toBe('2 h 10 min');
  });

  it('gives null for a time that is none', () => {
    expect(toMs(null)).toBeNull();
    expect(toMs('yesterday')).toBeNull();
    expect(utcFull(toMs('2026-11-22T02:14:07.250000Z') ?? 0)).toBe('2026-11-22 02:14:07.250 UTC');
  });
});

describe('distance and direction', () => {
  it('says metres and one of eight winds', () => {
    expect(distance(1239.6, 'en')).toBe('1,240 m');
    expect(distance(350, 'zh-CN')).toBe('350 米');
    expect(bearing(44, 'en')).toBe('north-east');
    expect(bearing(359, 'zh-CN')).toBe('北');
    expect(bearing(-90, 'en')).toBe('west');
  });

  it('measures on the ground', () => {
    const school = { lon: 118.35, lat: 31.2 };
    const car = towards(school, 60, 420);
    expect(distanceM(school, car)).toBeCloseTo(420, 0);
    expect(bearingDeg(school, car)).toBeCloseTo(60, 0);
  });

  it('draws a camera cone as a closed ring', () => {
    const ring = cone({ lon: 118.35, lat: 31.2 }, 90, 60, 50);
    expect(ring[0]).toEqual(ring.at(-1));
    expect(ring.length).toBeGreaterThan(6);
  });
});
