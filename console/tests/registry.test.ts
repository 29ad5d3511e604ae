import { describe, expect, it } from 'vitest';
import { ApiError } from '../src/lib/api/client';
import { changes, fieldErrors } from '../src/lib/registry/form';
import { bytesOf, hexLines, textOf } from '$lib/registry/bytes';

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
