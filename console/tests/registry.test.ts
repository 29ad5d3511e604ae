import { describe, expect, it } from 'vitest';
import { ApiError } from '../src/lib/api/client';
import type { Camera, Jurisdiction, Place } from '../src/lib/api/types';
import { changes, fieldErrors } from '../src/lib/registry/form';
import { bytesOf, hexLines, textOf } from '../src/pages/devices/bytes';
import { subtree, treeOf } from '../src/pages/cameras/tree';

const node = (id: string, parent: string | null): Jurisdiction => ({
  id,
  code: id,
  name: id,
  name_en: id,
  level: 'county',
  parent_id: parent,
  defaults: { owner: '', purpose: '' },
  version: 1,
});
const camera = (id: string, place: string | null, state: Camera['state'] = 'online'): Camera =>
  ({ id, place_id: place, jurisdiction_id: 'town', name: id, name_en: id, state }) as Camera;
const places = new Map([['school', { id: 'school', jurisdiction_id: 'town', name: 'School', name_en: 'School' } as Place]]);
const jurisdictions = [node('county', 'outside'), node('town', 'county'), node('empty', 'county')];
const ground = {
  jurisdictions,
  place: (id: string | null) => (id ? (places.get(id) ?? null) : null),
  name: (thing: { name: string }) => thing.name,
};

describe('the tree of cameras', () => {
  const cameras = [camera('b', 'school'), camera('a', 'school', 'offline'), camera('c', null)];

  it('begins at the highest jurisdiction one may see and leaves empty ones out', () => {
    const rows = treeOf(cameras, ground, new Set(['j:county', 'j:town']));
    expect(rows.map((row) => [row.key, row.level])).toEqual([
      ['j:county', 1],
      ['j:town', 2],
      ['p:school', 3],
      ['p::town', 3],
    ]);
  });

  it('counts what is below a closed branch', () => {
    const [county] = treeOf(cameras, ground, new Set());
    expect([county?.online, county?.total, county?.isOpen]).toEqual([2, 3, false]);
  });

  it('shows the cameras of an open place by name', () => {
    const rows = treeOf(cameras, ground, new Set(['j:county', 'j:town', 'p:school']));
    expect(rows.filter((row) => row.kind === 'camera').map((row) => row.id)).toEqual(['a', 'b']);
  });

  it('knows what lies below a jurisdiction', () => {
    expect([...subtree('county', jurisdictions)].sort()).toEqual(['county', 'empty', 'town']);
    expect([...subtree('town', jurisdictions)]).toEqual(['town']);
  });
});

describe('raw bytes', () => {
  it('are shown as text with every control character visible', () => {
    expect(textOf(bytesOf(btoa('\n"A"\r\u00ff')))).toBe('␊"A"␍·');
  });
  it('are shown sixteen a line', () => {
    const lines = hexLines(bytesOf(btoa('0123456789abcdefX')));
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^0010 {2}58 +X$/);
  });
  it('are none when they cannot be read', () => {
    expect(bytesOf('not base64 !')).toHaveLength(0);
  });
});

describe('forms', () => {
  it('send only what changed', () => {
    expect(changes({ a: 1, b: [1, 2], c: { d: 'x' } }, { a: 1, b: [2, 1], c: { d: 'x' } })).toEqual({ b: [2, 1] });
  });
  it('name a field as the page does', () => {
    const error = new ApiError('invalid', 422, '', '', {}, [{ field: 'address.account', message: 'address.account must not be empty.' }]);
    expect(fieldErrors(error, { 'address.account': 'Account' })).toEqual({ 'address.account': 'Account must not be empty.' });
  });
  it('put a conflict at the field that is taken', () => {
    const error = new ApiError('conflict', 409, '', 'Another device already has this id.', { field: 'address.gb_id' });
    expect(fieldErrors(error, {})).toEqual({ 'address.gb_id': 'Another device already has this id.' });
  });
});
