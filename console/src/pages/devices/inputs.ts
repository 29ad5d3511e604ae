/** The alarm inputs of a camera and what is wired to them, as `settings.inputs` holds it: `{"DI_1": "fire inverted"}`. */
import * as m from '$m';

export interface Wired {
  token: string;
  /** A word of ours for what happened; empty: nothing is said. */
  word: string;
  /** It is closed at rest and opens in an alarm. */
  isInverted: boolean;
}

const INVERTED = ' inverted';
export const WIRED: readonly (readonly [word: string, words: () => string])[] = [
  ['panic', m.devices_wired_panic],
  ['duress', m.devices_wired_duress],
  ['medical', m.devices_wired_medical],
  ['fire', m.devices_wired_fire],
  ['gas', m.devices_wired_gas],
  ['burglary', m.devices_wired_burglary],
  ['perimeter', m.devices_wired_perimeter],
  ['door_forced', m.devices_wired_door_forced],
  ['door_held', m.devices_wired_door_held],
  ['water', m.devices_wired_water],
  ['technical', m.devices_wired_technical],
  ['tamper', m.devices_wired_tamper],
  ['power', m.devices_wired_power],
  ['trouble', m.devices_wired_trouble],
];

/** A row for each input the camera named or somebody entered. */
export function inputsOf(known: Readonly<Record<string, string>>, listed: readonly string[]): Wired[] {
  return [...new Set([...listed, ...Object.keys(known)])].map((token) => {
    const said = known[token] ?? '';
    return { token, word: said.endsWith(INVERTED) ? said.slice(0, -INVERTED.length) : said, isInverted: said.endsWith(INVERTED) };
  });
}

/** As the server takes it; an input to which nothing is wired is left out. */
export const wiredBody = (rows: readonly Wired[]): Record<string, string> =>
  Object.fromEntries(
    rows
      .filter((row) => row.word)
      .map((row) => [row.token, row.word + (row.isInverted ? INVERTED : '')] as const)
      .sort(([a], [b]) => a.localeCompare(b)),
  );
