/** The name of one timestamp. */
import { namedStamps } from '$lib/incident/stamps';

const SOME = { at: '', source: '', who: '' };

/** In words; the key itself for one this console does not know. */
export const stampName = (key: string): string => namedStamps({ [key]: SOME })[0]?.name ?? key;
