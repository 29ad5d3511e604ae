/** Every key of every page, in the words the pages themselves give `?`. */
import * as m from '$m';
import type { Permission } from '$lib/api/types';

export interface KeyGroup {
  title: () => string;
  /** Where: a page the reader may not open is left out. */
  path: string;
  needs?: readonly Permission[];
  keys: readonly (readonly [key: string, label: () => string])[];
}

const ROOM: readonly Permission[] = ['handle_incident', 'supervise_incident'];

export const GROUPS: readonly KeyGroup[] = [
  {
    title: m.keys_everywhere,
    path: '/',
    keys: [
      ['/', m.key_command],
      ['?', m.key_help],
      ['Tab', m.help_key_tab],
      ['Escape', m.help_key_escape],
    ],
  },
  {
    title: m.room_keys_room,
    path: '/',
    needs: ROOM,
    keys: [
      ['ArrowDown', m.room_key_to_queue],
      ['Enter', m.room_key_to_card],
    ],
  },
  {
    title: m.room_keys_queue,
    path: '/',
    needs: ROOM,
    keys: [
      ['ArrowDown', m.room_key_down],
      ['ArrowUp', m.room_key_up],
      ['Enter', m.room_key_enter],
      ['n', m.room_key_new],
    ],
  },
  {
    title: m.room_keys_card,
    path: '/',
    needs: ROOM,
    keys: [
      ['c', m.room_claim],
      ['g', m.room_genuine],
      ['f', m.room_false],
      ['u', m.room_unsure],
      ['t', m.room_note],
      ['p', m.room_park],
      ['d', m.room_key_step],
      ['r', m.room_release],
      ['x', m.room_close],
      ['Escape', m.room_key_back],
    ],
  },
  {
    title: m.room_keys_dispatch,
    path: '/',
    needs: ROOM,
    keys: [
      ['1–5', m.help_key_units],
      ['Enter', m.room_key_send_first],
    ],
  },
  {
    title: m.cameras_rec_keys,
    path: '/cameras',
    needs: ['view_live'],
    keys: [
      ['Space', m.cameras_rec_key_pause],
      ['ArrowLeft ArrowRight', m.cameras_rec_key_step],
      ['PageUp PageDown', m.cameras_rec_key_hour],
      ['< >', m.cameras_rec_key_speed],
      ['1', m.cameras_rec_key_normal],
      ['R', m.cameras_rec_key_reverse],
    ],
  },
  {
    title: m.recordings_title,
    path: '/recordings',
    needs: ['view_live'],
    keys: [
      ['Space', m.recordings_key_play],
      ['J', m.recordings_key_back],
      ['K', m.recordings_key_pause],
      ['L', m.recordings_key_on],
      [',', m.recordings_key_step_back],
      ['.', m.recordings_key_step_on],
      ['ArrowLeft', m.recordings_key_ten_back],
      ['ArrowRight', m.recordings_key_ten_on],
      ['<', m.recordings_key_slower],
      ['>', m.recordings_key_faster],
      ['1', m.recordings_key_normal],
      ['n', m.recordings_key_next],
      ['p', m.recordings_key_previous],
    ],
  },
  {
    title: m.control_keys,
    path: '/cameras',
    needs: ['control_camera'],
    keys: [
      ['ArrowLeft', m.control_key_turn],
      ['+ −', m.control_key_zoom],
      ['Escape', m.control_key_stop],
    ],
  },
  {
    title: m.incidents_title,
    path: '/incidents',
    needs: ['read_incidents'],
    keys: [
      ['f', m.incidents_key_find],
      ['ArrowDown', m.incidents_key_rows],
      ['Enter', m.incidents_key_open],
      ['Escape', m.incidents_key_back],
    ],
  },
  {
    title: m.audit_title,
    path: '/audit',
    needs: ['read_audit'],
    keys: [
      ['ArrowDown', m.audit_key_rows],
      ['Enter', m.audit_key_open],
      ['Escape', m.audit_key_close],
    ],
  },
  {
    title: m.users_title,
    path: '/users',
    needs: ['manage_users'],
    keys: [
      ['ArrowDown', m.users_key_rows],
      ['Enter', m.users_key_open],
      ['Escape', m.users_key_back],
    ],
  },
  {
    title: m.settings_title,
    path: '/settings',
    needs: ['manage_settings'],
    keys: [
      ['f', m.settings_key_find],
      ['ArrowDown', m.settings_key_rows],
    ],
  },
  {
    title: m.help_registry,
    path: '/devices',
    needs: ['read_registry'],
    keys: [
      ['ArrowDown', m.registry_key_down],
      ['ArrowUp', m.registry_key_up],
      ['Enter', m.registry_key_open],
      ['Escape', m.registry_key_back],
    ],
  },
];

const SHOWN: Readonly<Record<string, string>> = { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', PageUp: 'PgUp', PageDown: 'PgDn', Escape: 'Esc' };
/** A key as it is printed on a keyboard. */
export const showKey = (key: string): string => SHOWN[key] ?? (key.length === 1 ? key.toUpperCase() : key);
