import { describe, expect, it } from 'vitest';
import { Together, type Pace } from '../src/lib/feed/together';
import { incidents, inOrder, MOST_OPEN } from '../src/lib/state/incidents.svelte';
import { drawnRows, MOST_DRAWN, OVERSCAN, spanOf } from '../src/pages/control-room/window';
import type { Incident } from '../src/lib/api/types';

const incident = (n: number, version = 1): Incident =>
  ({
    id: `i${String(n).padStart(5, '0')}`,
    priority: 1 + (n % 3),
    opened_at: new Date(Date.UTC(2026, 10, 22, 2, 0, n)).toISOString(),
    state: 'new',
    owner: null,
    stamps: {},
    version,
  }) as unknown as Incident;

/** Frames and drawings that happen when the test says so. */
class Steps implements Pace {
  at_ms = 0;
  frames: { run: () => void; rest_ms: number }[] = [];
  drawings: (() => void)[] = [];
  now_ms = () => this.at_ms;
  frame = (run: () => void, rest_ms: number) => {
    const frame = { run, rest_ms };
    this.frames.push(frame);
    return () => void (this.frames = this.frames.filter((one) => one !== frame));
  };
  drawn = (run: () => void) => void this.drawings.push(run);
  /** One frame, and its drawing that takes `took_ms`. */
  step(took_ms: number) {
    for (const { run } of this.frames.splice(0)) run();
    this.at_ms += took_ms;
    for (const run of this.drawings.splice(0)) run();
  }
}

describe('what the feed brings is shown together', () => {
  it('hands out 300 messages of one tick once, in order', () => {
    const steps = new Steps();
    const handed: (readonly number[])[] = [];
    const together = new Together<number>((all) => handed.push(all), steps);
    for (let n = 0; n < 300; n++) together.add(n);
    expect(handed).toEqual([]);
    expect(steps.frames.map((frame) => frame.rest_ms)).toEqual([0]);
    steps.step(5);
    expect(handed).toEqual([Array.from({ length: 300 }, (_, n) => n)]);
  });

  it('rests longer after a drawing that took long, and never too long', () => {
    const steps = new Steps();
    const together = new Together<number>(() => undefined, steps);
    const restAfter = (took_ms: number) => {
      together.add(1);
      steps.step(took_ms);
      together.add(2);
      const rest_ms = steps.frames[0]?.rest_ms ?? -1;
      steps.step(0);
      steps.at_ms += 10_000;
      return rest_ms;
    };
    expect(restAfter(1)).toBeGreaterThan(0);
    expect(restAfter(60)).toBeGreaterThan(restAfter(1));
    expect(restAfter(5_000)).toBeLessThanOrEqual(300);
  });

  it('forgets what has arrived when it is stopped', () => {
    const steps = new Steps();
    const handed: (readonly number[])[] = [];
    const together = new Together<number>((all) => handed.push(all), steps);
    together.add(1);
    together.clear();
    steps.step(0);
    expect(handed).toEqual([]);
  });
});

describe('the open incidents in a storm', () => {
  it('change once for a batch and stay in order', () => {
    incidents.takeAll(Array.from({ length: 500 }, (_, n) => incident((n * 7) % 500)));
    const [open, sorted] = [incidents.open, incidents.sorted];
    expect(sorted.map((one) => one.id)).toEqual([...open.values()].sort(inOrder).map((one) => one.id));

    const ended = { ...incident(4, 2), state: 'closed' } as Incident;
    const raised = { ...incident(5, 2), priority: 1 } as Incident;
    incidents.takeAll([incident(3, 3), incident(3, 2), incident(600), ended, raised]);
    expect(incidents.open).not.toBe(open);
    expect(incidents.open.get(incident(3).id)?.version).toBe(3);
    expect(incidents.open.has(ended.id)).toBe(false);
    expect(incidents.sorted.map((one) => one.id)).toEqual([...incidents.open.values()].sort(inOrder).map((one) => one.id));
    expect(incidents.sorted).toHaveLength(500);
  });

  it('do not change for what is known already', () => {
    incidents.takeAll([incident(3, 9)]);
    const { open, sorted } = incidents;
    incidents.takeAll([incident(3, 8), incident(3, 2)]);
    expect(incidents.open).toBe(open);
    expect(incidents.sorted).toBe(sorted);
  });
});

describe('the window of the queue', () => {
  const rows = Array.from({ length: MOST_OPEN }, (_, n) => incident(n));

  it('draws what is in view and a few around it, however long the list', () => {
    const span = spanOf(rows.length, 64, 640, 1280);
    expect(span).toEqual({ from: 10 - OVERSCAN, to: 20 + OVERSCAN });
    expect(spanOf(rows.length, 64, 0, 1e6).to).toBeLessThanOrEqual(MOST_DRAWN);
    expect(spanOf(0, 64, 0, 640)).toEqual({ from: 0, to: 0 });
    expect(spanOf(3, 64, 9_999, 10_500)).toEqual({ from: 2, to: 3 });
  });

  it('keeps the selected row, which may have the focus, and says where each row stands', () => {
    const span = spanOf(rows.length, 64, 64_000, 64_640);
    const drawn = drawnRows(rows, span, rows[2]?.id ?? null);
    expect(drawn[0]).toEqual({ row: rows[2], at: 2 });
    expect(drawn).toHaveLength(span.to - span.from + 1);
    expect(drawn.every(({ row, at }) => rows[at] === row)).toBe(true);
    expect(drawnRows(rows, span, rows[span.from]?.id ?? null)).toHaveLength(span.to - span.from);
  });
});
