/** People's own groups of cameras. Pure. */
export interface OwnGroup {
  id: string;
  name: string;
  parent_id: string | null;
  may_change: boolean;
  version: number;
}

/** Groups in the order of their tree with how deep each lies; one and what is below it are left out. */
export function depthOf(groups: readonly OwnGroup[], without = ''): { group: OwnGroup; depth: number }[] {
  const known = new Set(groups.map((group) => group.id));
  const found: { group: OwnGroup; depth: number }[] = [];
  const seen = new Set<string>();
  const walk = (parent: string | null, depth: number) => {
    for (const group of groups) {
      const above = group.parent_id !== null && known.has(group.parent_id) ? group.parent_id : null;
      if (above !== parent || group.id === without || seen.has(group.id)) continue;
      seen.add(group.id);
      found.push({ group, depth });
      walk(group.id, depth + 1);
    }
  };
  walk(null, 0);
  return found;
}
