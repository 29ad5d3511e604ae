import { describe, expect, it } from 'vitest';
import { pointsSource } from '../src/lib/map/point-layers';
import { DISCOVERED, OFFLINE, PointBook, propertiesOf, wedgeOf, WELL, type PointColumns } from '../src/lib/map/points';

const columns: PointColumns = {
  id: ['a', 'b', 'c'],
  lon: [118.3, 118.31, 118.32],
  lat: [31.3, 31.31, 31.32],
  bearing_deg: [90, null, 0],
  fov_deg: [68, 68, null],
  range_m: [40, null, null],
  online: [1, 0, 1],
  in_service: [1, 1, 0],
  name: ['甲', '乙', '丙'],
  name_en: ['A', 'B', 'C'],
};
const filled = () => {
  const book = new PointBook();
  book.fill(columns);
  return book;
};

describe('the cameras of the map', () => {
  it('ranks an offline camera above one not yet in service, and that above a well one', () => {
    const ranks = filled()
      .collection()
      .features.map((one) => one.properties?.rank as number);
    expect(ranks).toEqual([WELL, OFFLINE, DISCOVERED]);
    expect(Math.max(...ranks)).toBe(OFFLINE);
    expect(pointsSource(filled().collection()).clusterProperties).toMatchObject({ rank: ['max', ['get', 'rank']] });
  });

  it('draws a wedge only for a camera whose way of looking is known', () => {
    const wedges = filled()
      .collection()
      .features.map((one) => one.properties?.wedge as number);
    expect(wedges).toEqual([60, 0, 0]);
    expect([wedgeOf(10), wedgeOf(100), wedgeOf(360)]).toEqual([30, 90, 180]);
  });

  it('renews only what changed of only the camera that changed', () => {
    const book = filled();
    expect(book.patch([{ id: 'a', state: 'offline' }])).toEqual({
      add: [],
      remove: [],
      update: [{ id: 'a', addOrUpdateProperties: [{ key: 'rank', value: OFFLINE }] }],
    });
    const moved = book.patch([{ id: 'b', lon: 119 }]);
    expect(moved?.update).toEqual([
      { id: 'b', newGeometry: { type: 'Point', coordinates: [119, 31.31] }, addOrUpdateProperties: [] },
    ]);
  });

  it('says nothing to the map when only the name changed, and knows the new name', () => {
    const book = filled();
    expect(book.patch([{ id: 'a', name: '新名' }])).toBeNull();
    expect(book.get('a')?.name).toBe('新名');
  });

  it('adds a camera that gets a position and removes one that loses it or retires', () => {
    const book = filled();
    const diff = book.patch([
      { id: 'd', name: '丁', name_en: 'D', state: 'online', stage: 'in_service', lon: 118, lat: 31 },
      { id: 'a', stage: 'retired' },
      { id: 'b', lon: null, lat: null },
      { id: 'unknown', state: 'offline' },
    ]);
    expect(diff?.add?.map((one) => one.properties)).toEqual([propertiesOf(book.get('d')!)]);
    expect(diff?.remove).toEqual(['a', 'b']);
    expect(book.size).toBe(2);
  });

  it('hands one change to the map for a camera that changed twice', () => {
    expect(filled().patch([{ id: 'a', state: 'offline' }, { id: 'a', state: 'online' }])).toBeNull();
  });
});
