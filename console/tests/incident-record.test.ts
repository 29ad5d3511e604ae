import { describe, expect, it } from 'vitest';
import { dayStart, readFilters, toParams } from '../src/pages/incidents/list';
import { lookingsOf, readable, refusalsOf } from '../src/pages/incidents/record';
import { handOf, spansOf, type StampRow } from '../src/pages/incidents/times';

const stamp = (at: string, source = 'server', who = '') => ({ at: `2026-11-22T02:14:${at}Z`, source, who });

describe('durations of an incident', () => {
  it('come from the two stamps of each span', () => {
    const spans = spansOf({ t1: stamp('00.000'), t5: stamp('08.500', 'operator', 'u1'), t7: stamp('20.500', 'operator') }, []);
    expect(spans.find((one) => one.key === 'answer')).toMatchObject({ ms: 8500, isTyped: false });
    expect(spans.find((one) => one.key === 'verify')).toMatchObject({ ms: 12_000, isTyped: false });
  });

  it('are unknown while a stamp is missing, and say which', () => {
    expect(spansOf({ t1: stamp('00.000') }, []).find((one) => one.key === 'total')).toMatchObject({ ms: null, missing: ['t12'] });
  });

  it('are unknown when the stamps contradict each other', () => {
    const span = spansOf({ t11: stamp('09.000'), t12: stamp('03.000') }, []).find((one) => one.key === 'travel');
    expect(span).toMatchObject({ ms: null, isReversed: true });
  });

  it('are flagged when a person reported one of the times, or corrected it', () => {
    const reported = spansOf({ t1: stamp('00.000'), t12: stamp('50.000', 'operator', 'u1') }, []);
    expect(reported.find((one) => one.key === 'total')?.isTyped).toBe(true);
    const row: StampRow = { ...stamp('40.000', 'operator', 'u1'), stamp: 't5', reason: 'late click', withdrawn: false };
    expect(handOf('t5', row, [row])).toBe('typed');
    expect(handOf('t5', stamp('41.000', 'operator'), [row])).toBe('act');
    expect(handOf('t12', stamp('41.000', 'unit_button'), [])).toBe('machine');
  });
});

describe('who looked', () => {
  const entry = (seq: number, action: string, detail: Record<string, unknown>, outcome: 'done' | 'refused' = 'done') => ({
    seq,
    at: `2026-11-22T02:00:0${seq}Z`,
    action,
    outcome,
    actor: { kind: 'user', id: 'u1', name: 'Lin' },
    detail,
  });

  it('pairs each view with the first end after it of the same person and cameras', () => {
    const found = lookingsOf([
      entry(1, 'view.opened', { purpose: 'alarm_verification', channels: ['a'] }),
      entry(2, 'view.opened', { purpose: 'alarm_verification', channels: ['b'] }),
      entry(3, 'view.ended', { user_id: 'u1', channels: ['b'], reason: 'closed' }),
    ]);
    expect(found.map((one) => [one.channels, one.to, one.why])).toEqual([
      [['a'], null, ''],
      [['b'], '2026-11-22T02:00:03Z', 'closed'],
    ]);
  });

  it('keeps refused acts, and refused views that named the incident, once each', () => {
    const record = {
      seq: 5,
      at: '2026-11-22T02:00:05Z',
      actor: { kind: 'user', id: 'u2', name: 'Zhao' },
      action: 'view.opened',
      subject: { kind: 'view', id: 'v' },
      outcome: 'refused' as const,
      detail: { rule: 'off_duty', incident_id: 'i1' },
      hash: '',
      prev_hash: '',
    };
    const other = { ...record, seq: 6, detail: { rule: 'off_duty', incident_id: 'i2' } };
    const found = refusalsOf([entry(4, 'incident.closed', { rule: 'blocked' }, 'refused')], [record, other, record], 'i1');
    expect(found.map((one) => [one.who, one.rule])).toEqual([
      ['Lin', 'blocked'],
      ['Zhao', 'off_duty'],
    ]);
  });

  it('shows bytes as text when they are text, else as hex', () => {
    expect(readable(btoa('\n1234"SIA-DCS"\r'))).toBe('1234"SIA-DCS"');
    expect(readable(btoa('\x01\xff'))).toBe('01 ff');
  });
});

describe('filters of the incident list', () => {
  it('go from the address to the server', () => {
    const params = toParams(readFilters(new URLSearchParams('q= HW &state=ended&priority=2')));
    expect(params).toMatchObject({ q: 'HW', open: false, state: undefined, priority: '2' });
  });

  it('take whole local days and nothing that is no day', () => {
    expect(Date.parse(dayStart('2026-11-22', 1)) - Date.parse(dayStart('2026-11-22'))).toBe(86_400_000);
    expect(dayStart('yesterday')).toBe('');
  });
});
