/** What of a camera can be set: the fields of each type in the standard's words, and their labels. */
import * as m from '$m';

export type Flat = Record<string, string>;
type Tree = { [name: string]: string | Tree };
export type Cell = string | number | boolean | null | undefined;
export type Row = Record<string, Cell>;

export interface FieldDef {
  key: string;
  label: () => string;
  kind: 'number' | 'flag' | 'text' | 'select';
  least?: number;
  most?: number;
  placeholder?: string;
  options?: readonly (readonly [string, () => string])[];
}
export interface SettingDef {
  type: string;
  title: () => string;
  about?: () => string;
  fields: readonly FieldDef[];
  rows?: { fields: readonly FieldDef[]; most: number; add: () => string; isFixed?: boolean; fresh: Row };
}
export interface SettingForm {
  values: Row;
  rows: Row[];
}

const ON = (key: string, label: () => string): FieldDef => ({ key, label, kind: 'flag' });
const NUMBER = (key: string, label: () => string, least: number, most: number): FieldDef => ({ key, label, kind: 'number', least, most });
const STREAM: FieldDef = {
  key: 'StreamNumber',
  label: m.devices_set_stream,
  kind: 'select',
  options: [
    ['0', m.devices_set_stream_main],
    ['1', m.devices_set_stream_sub],
    ['2', m.devices_set_stream_third],
  ],
};
const DAYS = [m.devices_day_1, m.devices_day_2, m.devices_day_3, m.devices_day_4, m.devices_day_5, m.devices_day_6, m.devices_day_7];
export const dayName = (row: Row) => DAYS[Number(row.WeekDayNum) - 1]?.() ?? '';

export const SETTINGS: readonly SettingDef[] = [
  {
    type: 'OSDConfig',
    title: m.devices_osd,
    fields: [
      ON('TimeEnable', m.devices_osd_time),
      ON('TextEnable', m.devices_osd_text_shown),
      {
        key: 'TimeType',
        label: m.devices_osd_time_type,
        kind: 'select',
        options: [
          ['0', () => '2026-11-27 09:30:00'],
          ['1', () => '2026年11月27日 09:30:00'],
        ],
      },
      NUMBER('Length', m.devices_osd_length, 0, 16_384),
      NUMBER('Width', m.devices_osd_width, 0, 16_384),
      NUMBER('TimeX', m.devices_osd_time_x, 0, 16_384),
      NUMBER('TimeY', m.devices_osd_time_y, 0, 16_384),
    ],
    rows: {
      fields: [
        { key: 'Text', label: m.devices_osd_text, kind: 'text', most: 32 },
        NUMBER('X', () => 'X', 0, 16_384),
        NUMBER('Y', () => 'Y', 0, 16_384),
      ],
      most: 8,
      add: m.devices_osd_add,
      fresh: { Text: '', X: 16, Y: 16 },
    },
  },
  {
    type: 'PictureMask',
    title: m.devices_mask,
    about: m.devices_mask_about,
    fields: [ON('On', m.devices_mask_on)],
    rows: {
      fields: [{ key: 'Point', label: m.devices_mask_point, kind: 'text', most: 32, placeholder: '20,30,50,60' }],
      most: 4,
      add: m.devices_mask_add,
      fresh: { Point: '' },
    },
  },
  {
    type: 'AlarmReport',
    title: m.devices_alarm_report,
    fields: [ON('MotionDetection', m.devices_alarm_motion), ON('FieldDetection', m.devices_alarm_field)],
  },
  {
    type: 'VideoRecordPlan',
    title: m.devices_plan,
    about: m.devices_plan_about,
    fields: [ON('RecordEnable', m.devices_plan_on), STREAM],
    rows: {
      fields: [{ key: 'times', label: m.devices_plan_times, kind: 'text', most: 120, placeholder: '08:00-12:00, 14:00-24:00' }],
      most: 7,
      add: () => '',
      isFixed: true,
      fresh: {},
    },
  },
  {
    type: 'VideoAlarmRecord',
    title: m.devices_alarm_record,
    fields: [
      ON('RecordEnable', m.devices_alarm_record_on),
      STREAM,
      NUMBER('RecordTime', m.devices_alarm_record_after, 0, 86_400),
      NUMBER('PreRecordTime', m.devices_alarm_record_before, 0, 3_600),
    ],
  },
  {
    type: 'VideoParamAttribute',
    title: m.devices_video,
    about: m.devices_video_about,
    fields: [],
    rows: {
      fields: [
        STREAM,
        {
          key: 'VideoFormat',
          label: m.devices_video_codec,
          kind: 'select',
          options: [
            ['1', () => 'MPEG-4'],
            ['2', () => 'H.264'],
            ['3', () => 'SVAC'],
            ['4', () => '3GP'],
            ['5', () => 'H.265'],
          ],
        },
        { key: 'Resolution', label: m.devices_video_resolution, kind: 'text', most: 11, placeholder: '1920x1080' },
        NUMBER('FrameRate', m.devices_video_rate, 0, 99),
        {
          key: 'BitRateType',
          label: m.devices_video_bitrate_kind,
          kind: 'select',
          options: [
            ['1', m.devices_video_constant],
            ['2', m.devices_video_variable],
          ],
        },
        NUMBER('VideoBitRate', m.devices_video_kbps, 0, 100_000),
      ],
      most: 8,
      add: () => '',
      isFixed: true,
      fresh: {},
    },
  },
];

/** Values named by path (`Item.1.Text`) as a tree; a list of one has no number in its path. */
function treeOf(flat: Flat): Tree {
  const tree: Tree = {};
  for (const [path, value] of Object.entries(flat)) {
    const names = path.split('.');
    let at = tree;
    for (const name of names.slice(0, -1)) {
      const next = at[name];
      at = typeof next === 'object' ? next : (at[name] = {});
    }
    at[names[names.length - 1] ?? ''] = value;
  }
  return tree;
}
function listOf(part: string | Tree | undefined): Tree[] {
  if (typeof part !== 'object') return [];
  const names = Object.keys(part);
  if (names.length > 0 && names.every((name) => /^\d+$/.test(name)))
    return names.sort((a, b) => Number(a) - Number(b)).flatMap((name) => (typeof part[name] === 'object' ? [part[name]] : []));
  return [part];
}
const pad = (value: string | Tree | undefined) => String(Number(value ?? 0)).padStart(2, '0');
const timesOf = (day: Tree) =>
  listOf(day.TimeSegment)
    .map((one) => `${pad(one.StartHour)}:${pad(one.StartMin)}-${endOf(one)}`)
    .join(', ');
/** 23:59:59 is how devices write the end of a day. */
const endOf = (one: Tree) => (Number(one.StopHour) === 23 && Number(one.StopMin) === 59 && Number(one.StopSec) >= 59 ? '24:00' : `${pad(one.StopHour)}:${pad(one.StopMin)}`);

function cell(field: FieldDef, value: string | Tree | undefined): Cell {
  const text = typeof value === 'string' ? value : '';
  if (field.kind === 'flag') return text === '1';
  if (field.kind === 'number') return text === '' ? null : Number(text);
  return text || (field.kind === 'select' ? (field.options?.[0]?.[0] ?? '') : '');
}
const rowOf = (fields: readonly FieldDef[], part: Tree): Row => Object.fromEntries(fields.map((field) => [field.key, cell(field, part[field.key])]));

/** What the device says as a form. */
export function formOf(def: SettingDef, flat: Flat): SettingForm {
  const tree = treeOf(flat);
  const values = rowOf(def.fields, tree);
  if (!def.rows) return { values, rows: [] };
  if (def.type === 'VideoRecordPlan') {
    const days = new Map(listOf(tree.RecordSchedule).map((day) => [Number(day.WeekDayNum), timesOf(day)]));
    return { values, rows: DAYS.map((_, n) => ({ WeekDayNum: n + 1, times: days.get(n + 1) ?? '' })) };
  }
  const parts = def.type === 'PictureMask' ? listOf(typeof tree.RegionList === 'object' ? tree.RegionList.Item : undefined) : listOf(tree.Item);
  return { values, rows: parts.map((part) => rowOf(def.rows?.fields ?? [], part)) };
}

/** The times of a day as the standard has them; null when they cannot be read. */
export function segmentsOf(text: string): Record<string, number>[] | null {
  const parts = text
    .split(/[,，;；]/)
    .map((part) => part.trim())
    .filter(Boolean);
  const found: Record<string, number>[] = [];
  for (const part of parts) {
    const match = /^(\d{1,2})[:：](\d{2})\s*[-–~至]\s*(\d{1,2})[:：](\d{2})$/.exec(part);
    if (!match) return null;
    const [begin, beginMin, end, endMin] = match.slice(1).map(Number) as [number, number, number, number];
    const isDay = end === 24 && endMin === 0;
    if (begin * 60 + beginMin >= end * 60 + endMin || end > 24 || (end === 24 && endMin > 0) || beginMin > 59 || endMin > 59) return null;
    found.push({ StartHour: begin, StartMin: beginMin, StartSec: 0, StopHour: isDay ? 23 : end, StopMin: isDay ? 59 : endMin, StopSec: isDay ? 59 : 0 });
  }
  return found;
}

const sent = (field: FieldDef, value: Cell): string | number | undefined => {
  if (field.kind === 'flag') return value ? 1 : 0;
  if (field.kind === 'number') return typeof value === 'number' && !Number.isNaN(value) ? value : undefined;
  const isNumber = field.key === 'StreamNumber' || field.key === 'TimeType';
  return isNumber ? Number(value ?? 0) : String(value ?? '').trim();
};
const rowSent = (fields: readonly FieldDef[], row: Row) =>
  Object.fromEntries(fields.flatMap((field) => (sent(field, row[field.key]) === undefined ? [] : [[field.key, sent(field, row[field.key])]])));

/** The form as the server takes it; null when a time cannot be read. */
export function wireOf(def: SettingDef, form: SettingForm): Record<string, unknown> | null {
  const values: Record<string, unknown> = rowSent(def.fields, form.values);
  if (!def.rows) return values;
  const fields = def.rows.fields;
  if (def.type === 'VideoRecordPlan') {
    const days = form.rows.map((row) => ({ WeekDayNum: row.WeekDayNum, TimeSegment: segmentsOf(String(row.times ?? '')) }));
    return days.some((day) => day.TimeSegment === null) ? null : { ...values, RecordSchedule: days };
  }
  const rows = form.rows.map((row) => rowSent(fields, row));
  if (def.type === 'PictureMask') return { ...values, RegionList: rows.map((row, n) => ({ Seq: n + 1, ...row })) };
  return { ...values, Item: rows };
}
