// Only the tokens file names a colour: no hex value, colour function or colour word elsewhere.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const TOKENS = join(root, 'src/styles/tokens.css');
const HEX = /(?<![\w&/#-])#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})(?![\w-])/gi;
const FUNCTION = /\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(/gi;
const WORD =
  /(?<=[:\s,(])(?:white|black|red|green|blue|yellow|orange|purple|pink|brown|gr[ae]y|silver|cyan|magenta|navy|teal|maroon|olive|lime)(?=\s*[;,)}!])/gi;
const problems = [];

function look(path) {
  const text = readFileSync(path, 'utf8');
  const isStyle = path.endsWith('.css');
  const styles = isStyle ? text : [...text.matchAll(/<style[^>]*>([\s\S]*?)<\/style>/g)].map(([, css]) => css).join('\n');
  const found = [...(text.match(HEX) ?? []), ...(text.match(FUNCTION) ?? []), ...(styles.match(WORD) ?? [])];
  for (const colour of new Set(found)) problems.push(`${relative(root, path)}: ${colour} belongs in src/styles/tokens.css`);
}

function walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      if (name !== 'paraglide' && name !== 'messages') walk(path);
    } else if (/\.(css|svelte|ts)$/.test(name) && path !== TOKENS) look(path);
  }
}
walk(join(root, 'src'));
for (const problem of problems) console.error(problem);
console.log(`colours: ${problems.length} outside the tokens file`);
process.exitCode = problems.length === 0 ? 0 : 1;
