/** Where a list was left: its filters and how far it was scrolled, so that going back finds it so. */
interface Left {
  search: string;
  top: number;
}

const left = new Map<string, Left>();

/** Notes where a list stands. */
export function leaveAt(path: string, search: string, top: number): void {
  left.set(path, { search, top });
}

/** The address of a list as it was left. */
export const listAddress = (path: string): string => path + (left.get(path)?.search ?? '');

/** How far it was scrolled when it had these filters; else the top. */
export function topOf(path: string, search: string): number {
  const known = left.get(path);
  return known?.search === search ? known.top : 0;
}
