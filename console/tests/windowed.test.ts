import { afterEach, describe, expect, it, vi } from 'vitest';
import { PAGE, Windowed } from '../src/lib/registry/windowed.svelte';
import { byReason, Selection } from '../src/pages/cameras/bulk.svelte';
import { depthOf } from '../src/pages/cameras/groups';
import { rowsOf, typedTo, type TreeNode } from '../src/pages/cameras/tree.svelte';

interface Row {
  id: string;
  version: number;
  name: string;
}

/** A server with `total` rows, counting what it is asked. */
function serve(total: number) {
  const asked: string[] = [];
  const rows = Array.from({ length: total }, (_, n): Row => ({ id: String(n).padStart(6, '0'), version: 1, name: `r${n}` }));
  vi.stubGlobal(
    'fetch',
    vi.fn((address: string) => {
      asked.push(address);
      const url = new URL(address, 'http://house');
      const size = Number(url.searchParams.get('size') ?? url.searchParams.get('limit'));
      const cursors = rows.filter((_, n) => n > 0 && n % PAGE === 0).map((row) => rows[rows.indexOf(row) - 1]?.id ?? '');
      const after = url.searchParams.get('after') ?? '';
      const from = after ? rows.findIndex((row) => row.id === after) + 1 : 0;
      const items = rows.slice(from, from + size);
      const next = from + size < rows.length ? (items.at(-1)?.id ?? null) : null;
      const body = url.pathname.endsWith('marks') ? { total: rows.length, online: 0, size, cursors } : { items, next };
      return Promise.resolve(new Response(JSON.stringify(body), { status: 200 }));
    }),
  );
  return { asked, rows };
}

const settle = () => vi.waitFor(() => undefined, { timeout: 50 });

describe('a long list', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  it('reads the marks and the page in view, and nothing else', async () => {
    const { asked } = serve(30_000);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({ order: 'name' });
    expect(list.total).toBe(30_000);
    expect(asked.length).toBe(2);
    expect([list.at(0)?.name, list.at(99)?.name, list.at(100)]).toEqual(['r0', 'r99', undefined]);
  });

  it('reads what a dragged scroll bar shows, by its mark', async () => {
    const { asked } = serve(30_000);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    list.show(20_050, 20_070);
    await vi.waitFor(() => expect(list.at(20_050)?.name).toBe('r20050'));
    expect(asked.length).toBe(3);
    list.show(29_990, 29_999);
    await vi.waitFor(() => expect(list.at(29_999)?.name).toBe('r29999'));
  });

  it('forgets pages far from the view', async () => {
    serve(30_000);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    for (let page = 1; page < 60; page++) {
      list.show(page * PAGE, page * PAGE + 20);
      await vi.waitFor(() => expect(list.at(page * PAGE)).toBeDefined());
    }
    expect(list.pages.size).toBeLessThanOrEqual(40);
    expect(list.at(0)).toBeUndefined();
  });

  it('reads again only what is in view', async () => {
    const { asked } = serve(30_000);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    list.show(450, 470);
    await vi.waitFor(() => expect(list.at(450)).toBeDefined());
    asked.length = 0;
    await list.refresh();
    expect(asked.length).toBe(1);
  });

  it('takes a newer row in its place and leaves an older one', async () => {
    serve(300);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    list.take({ id: '000003', version: 2, name: 'new' });
    list.take({ id: '000004', version: 0, name: 'old' });
    expect([list.at(3)?.name, list.at(4)?.name]).toEqual(['new', 'r4']);
  });

  it('counts again once when many unknown rows are told', async () => {
    const { asked } = serve(300);
    vi.useFakeTimers();
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    asked.length = 0;
    for (let n = 0; n < 50; n++) list.take({ id: `x${n}`, version: 1 });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked.filter((one) => one.includes('marks')).length).toBe(1);
    list.stop();
  });

  it('gives a range across pages', async () => {
    serve(500);
    const list = new Windowed<Row>('/rows', '/row-marks');
    await list.load({});
    const found = await list.range(250, 95);
    expect([found.length, found[0]?.name, found.at(-1)?.name]).toEqual([156, 'r95', 'r250']);
    expect(await list.range(0, 10_000)).toEqual([]);
    await settle();
  });
});

const node = (key: string, leaf = false): TreeNode => ({
  key,
  kind: 'jurisdiction',
  id: key,
  name: key,
  name_en: '',
  spelt: '',
  total: 1,
  online: 1,
  leaf,
  version: 1,
  may_change: false,
});

describe('the tree of cameras', () => {
  const below = new Map([
    ['', [node('city'), node('loose', true)]],
    ['city', [node('north'), node('south', true)]],
  ]);

  it('draws what is below open nodes, with level and place among siblings', () => {
    expect(rowsOf(below, new Set()).map((row) => [row.node.key, row.level, row.isOpen])).toEqual([
      ['city', 1, false],
      ['loose', 1, null],
    ]);
    const rows = rowsOf(below, new Set(['city', 'north']));
    expect(rows.map((row) => [row.node.key, row.level, row.at, row.of])).toEqual([
      ['city', 1, 1, 2],
      ['north', 2, 1, 2],
      ['south', 2, 2, 2],
      ['loose', 1, 2, 2],
    ]);
    expect(rows[1]?.isReading).toBe(true);
  });

  it('goes to the next name that begins as typed, around the end', () => {
    const names = [['North'], ['Station'], ['学校', 'xuexiao', 'School'], ['Square']];
    expect(typedTo(names, 1, 's')).toBe(2);
    expect(typedTo(names, 0, 'xue')).toBe(2);
    expect(typedTo(names, 3, 's')).toBe(1);
    expect(typedTo(names, 1, 'sq')).toBe(3);
    expect(typedTo(names, 0, 'zz')).toBe(-1);
  });

  it('shows groups in the order of their tree, without one and what is below it', () => {
    const group = (id: string, parent: string | null) => ({ id, name: id, parent_id: parent, may_change: true, version: 1 });
    const groups = [group('b', 'a'), group('a', null), group('c', 'b'), group('d', 'gone')];
    expect(depthOf(groups).map((one) => [one.group.id, one.depth])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
      ['d', 0],
    ]);
    expect(depthOf(groups, 'b').map((one) => one.group.id)).toEqual(['a', 'd']);
  });
});

describe('a choice of many', () => {
  it('is turned one by one, by range, and given up as a whole', () => {
    const chosen = new Selection();
    chosen.turn('a', 0);
    chosen.turn('d', 3, [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]);
    expect([...chosen.ids]).toEqual(['a', 'b', 'c', 'd']);
    chosen.turn('b', 1);
    expect([chosen.has('b'), chosen.count, chosen.anchor]).toEqual([false, 3, 1]);
    chosen.all = { filter: {}, total: 30_000 };
    expect([chosen.count, chosen.has('anything')]).toEqual([30_000, true]);
    chosen.clear();
    expect(chosen.count).toBe(0);
  });

  it('names refusals by reason, the most frequent first', () => {
    const one = (id: string, why: string) => ({ id, name: id, why });
    const found = byReason([one('1', 'x'), one('2', 'y'), one('3', 'y')]);
    expect(found.map(({ why, cameras }) => [why, cameras.length])).toEqual([
      ['y', 2],
      ['x', 1],
    ]);
  });
});
