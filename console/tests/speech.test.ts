import { expect, it } from 'vitest';
import { levelOf, toWire } from '../src/lib/speech/samples';

it('writes samples as little-endian bytes', () => {
  expect([...new Uint8Array(toWire(new Int16Array([1, -2, 0x1234])))]).toEqual([1, 0, 0xfe, 0xff, 0x34, 0x12]);
});

it('shows silence as nothing, full scale as everything, and half the level 6 dB below', () => {
  expect(levelOf(new Int16Array(160))).toBe(0);
  expect(levelOf(new Int16Array(160).fill(32_767))).toBeCloseTo(1, 3);
  expect(levelOf(new Int16Array(160).fill(16_384))).toBeCloseTo(0.9, 2);
  expect(levelOf(new Int16Array(160).fill(5))).toBe(0);
});
