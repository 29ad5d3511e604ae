import { describe, expect, it } from 'vitest';
import { PaintedOrder, SETTLE_MS } from '../src/lib/keys/order';
import { queueRows } from '../src/pages/control-room/queue';
import type { Incident } from '../src/lib/api/types';

describe('a key means the row that was read', () => {
  it('names the row painted at that place', () => {
    const order = new PaintedOrder();
    order.show(['P12', 'G03'], 0);
    expect(order.at(1, SETTLE_MS)).toBe('G03');
    expect(order.at(2, SETTLE_MS)).toBeNull();
  });

  it('still means the old row when the rows changed places a moment ago', () => {
    const order = new PaintedOrder();
    order.show(['P12', 'G03'], 0);
    order.show(['G03', 'P12'], 5_000);
    expect(order.at(0, 5_100)).toBe('P12');
    expect(order.at(0, 5_000 + SETTLE_MS)).toBe('G03');
  });

  it('keeps the order that was read through several quick changes', () => {
    const order = new PaintedOrder();
    order.show(['a', 'b', 'c'], 0);
    order.show(['b', 'a', 'c'], 5_000);
    order.show(['c', 'b', 'a'], 5_200);
    expect(order.at(0, 5_300)).toBe('a');
  });

  it('means nothing when the row has left the list', () => {
    const order = new PaintedOrder();
    order.show(['P12', 'G03'], 0);
    order.show(['G03'], 5_000);
    expect(order.at(0, 5_100)).toBeNull();
  });
});

describe('the queue does not move under the pointer', () => {
  const row = (id: string) => ({ id }) as Incident;

  it('shows new rows at once when nobody is at the list', () => {
    const { shown, waiting } = queueRows([row('new'), row('old')], new Set(['old']), false, null);
    expect(shown.map((one) => one.id)).toEqual(['new', 'old']);
    expect(waiting).toEqual([]);
  });

  it('lets new rows wait while somebody is at the list', () => {
    const { shown, waiting } = queueRows([row('new'), row('old')], new Set(['old']), true, null);
    expect(shown.map((one) => one.id)).toEqual(['old']);
    expect(waiting.map((one) => one.id)).toEqual(['new']);
  });

  it('keeps the selected row although it has left the tab', () => {
    const { shown } = queueRows([row('old')], new Set(['old']), true, row('mine'));
    expect(shown.map((one) => one.id)).toEqual(['mine', 'old']);
  });
});
