import { describe, expect, it } from 'vitest';
import { backOff, FeedSequence, ServerClock } from '../src/lib/feed/sequence';

const change = (seq: number) => ({ type: 'incident.changed', seq });

describe('the order of the feed', () => {
  it('starts at the sequence the server greets with and applies what follows', () => {
    const sequence = new FeedSequence();
    expect(sequence.last).toBeNull();
    expect(sequence.receive({ type: 'hello', seq: 40 })).toEqual({ act: 'skip' });
    expect(sequence.receive(change(41))).toEqual({ act: 'apply' });
    expect(sequence.last).toBe(41);
  });

  it('resumes after the last change shown and skips what it has seen', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 40 });
    sequence.receive(change(44));
    expect(sequence.receive({ type: 'hello', seq: 50 })).toEqual({ act: 'skip' });
    expect(sequence.last).toBe(44);
    expect(sequence.receive(change(44))).toEqual({ act: 'skip' });
    expect(sequence.receive(change(47))).toEqual({ act: 'apply' });
  });

  it('takes holes in the numbers as they come: numbers are not promised to be dense', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 1 });
    expect(sequence.receive(change(9))).toEqual({ act: 'apply' });
    expect(sequence.last).toBe(9);
  });

  it('reads everything again after a gap and goes on behind it', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 10 });
    expect(sequence.receive({ type: 'gap', from: 11, to: 900 })).toEqual({ act: 'reread' });
    expect(sequence.last).toBe(900);
    expect(sequence.receive(change(900))).toEqual({ act: 'skip' });
    expect(sequence.receive(change(901))).toEqual({ act: 'apply' });
  });

  it('reads everything again when the server knows less than the page has seen', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 500 });
    expect(sequence.receive({ type: 'hello', seq: 3 })).toEqual({ act: 'reread' });
    expect(sequence.receive({ type: 'gap', from: 3, to: 3 })).toEqual({ act: 'reread' });
    expect(sequence.receive(change(4))).toEqual({ act: 'apply' });
  });

  it('moves on with ticks, so that a quiet console resumes where the server is', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 5 });
    sequence.receive({ type: 'tick', seq: 70 });
    expect(sequence.last).toBe(70);
    sequence.receive({ type: 'tick', seq: 69 });
    expect(sequence.last).toBe(70);
  });

  it('applies frames without a number, such as the audit head, without moving', () => {
    const sequence = new FeedSequence();
    sequence.receive({ type: 'hello', seq: 5 });
    expect(sequence.receive({ type: 'audit.head' })).toEqual({ act: 'apply' });
    expect(sequence.last).toBe(5);
  });
});

describe('coming back', () => {
  it('waits longer each time, up to 15 s, a fifth either way', () => {
    expect(backOff(0, 0.5)).toBe(500);
    expect(backOff(3, 0.5)).toBe(4000);
    expect(backOff(99, 0.5)).toBe(15_000);
    expect(backOff(1, 0)).toBe(800);
    expect(backOff(1, 1)).toBe(1200);
  });

  it('trusts the least delayed frame for the server time', () => {
    const clock = new ServerClock();
    clock.heard(10_000, 9_000);
    clock.heard(20_000, 19_400);
    expect(clock.offset_ms).toBe(1_000);
  });
});
