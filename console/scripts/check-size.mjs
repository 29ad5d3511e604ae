// What the control room loads before the map stays under 400 KB of script. Reads the manifest of the last build.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIMIT_BYTES = 400_000;
const built = fileURLToPath(new URL('../../src/tocsin/web/static', import.meta.url));
const path = join(built, '.vite/manifest.json');
if (!existsSync(path)) {
  console.log('size: not built yet');
  process.exit(process.argv.includes('--if-built') ? 0 : 1);
}
const manifest = JSON.parse(readFileSync(path, 'utf8'));
const seen = new Set();
function follow(key) {
  if (seen.has(key)) return;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) follow(next);
}
follow('index.html');
for (const key of Object.keys(manifest)) if (/pages\/control-room\/ControlRoom\.svelte$/.test(key)) follow(key);
let size_bytes = 0;
for (const key of seen) if (manifest[key].file.endsWith('.js')) size_bytes += statSync(join(built, manifest[key].file)).size;
console.log(`size: ${Math.round(size_bytes / 1000)} KB of script before the map, limit ${LIMIT_BYTES / 1000} KB`);
process.exitCode = size_bytes <= LIMIT_BYTES ? 0 : 1;
