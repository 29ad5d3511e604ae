import { describe, expect, it } from 'vitest';
import { hoursOf, isWhole, windowsOf } from '../src/pages/cameras/plan';

describe('a week of hours', () => {
  it('comes back as the windows it was made of', () => {
    const schedule = [
      { days: [1, 2, 3, 4, 5], from: '08:00', to: '18:00' },
      { days: [6, 7], from: '00:00', to: '24:00' },
    ];
    expect(windowsOf(hoursOf(schedule))).toEqual(schedule);
  });
  it('follows a window over midnight and over the end of the week', () => {
    const hours = hoursOf([{ days: [7], from: '22:00', to: '02:00' }]);
    expect([...hours].sort((a, b) => a - b)).toEqual([0, 1, 166, 167]);
    expect(windowsOf(hours)).toEqual([
      { days: [1], from: '00:00', to: '02:00' },
      { days: [7], from: '22:00', to: '24:00' },
    ]);
  });
  it('touches an hour that is begun', () => {
    expect([...hoursOf([{ days: [1], from: '08:30', to: '09:10' }])]).toEqual([8, 9]);
    expect(isWhole([{ days: [1], from: '08:30', to: '09:00' }])).toBe(false);
  });
});
