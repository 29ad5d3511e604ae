// Both languages hold the same keys with the same inputs, each key is used, and no key is asked for that neither holds.
import { readdirSync, readFileSync, statSync, existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const settings = JSON.parse(readFileSync(join(root, 'project.inlang/settings.json'), 'utf8'));
const patterns = settings['plugin.inlang.messageFormat'].pathPattern;
const problems = [];
const owners = new Map();

const inputsOf = (message) => [...new Set(JSON.stringify(message).match(/(?<=\{)[a-z_]+(?=\})/g) ?? [])].sort().join(', ');

for (const pattern of patterns) {
  const read = (locale) => {
    const path = join(root, pattern.replace('{locale}', locale));
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
  };
  const [english, chinese] = [read('en'), read('zh-CN')];
  if (!english && !chinese) continue;
  const place = pattern.replace('./src/', '');
  for (const key of new Set([...Object.keys(english ?? {}), ...Object.keys(chinese ?? {})])) {
    if (!english || !(key in english)) problems.push(`${place}: ${key} has no English`);
    else if (!chinese || !(key in chinese)) problems.push(`${place}: ${key} has no Chinese`);
    else {
      if (inputsOf(english[key]) !== inputsOf(chinese[key])) {
        problems.push(`${place}: ${key} takes {${inputsOf(english[key])}} in English, {${inputsOf(chinese[key])}} in Chinese`);
      }
      for (const [name, text] of [['English', english[key]], ['Chinese', chinese[key]]]) {
        if (text === '' || text.length === 0) problems.push(`${place}: ${key} is empty in ${name}`);
      }
    }
    if (owners.has(key)) problems.push(`${place}: ${key} is already in ${owners.get(key)}`);
    owners.set(key, place);
  }
}

const used = new Set();
function walk(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      if (name !== 'paraglide' && name !== 'messages') walk(path);
    } else if (/\.(ts|svelte)$/.test(name)) {
      const text = readFileSync(path, 'utf8');
      if (!/from '\$m'/.test(text)) continue;
      for (const [, key] of text.matchAll(/\bm\.([a-z][a-z0-9_]*)\b/g)) {
        used.add(key);
        if (!owners.has(key)) problems.push(`${relative(root, path)}: asks for ${key}, which no message file holds`);
      }
    }
  }
}
walk(join(root, 'src'));
for (const [key, place] of owners) if (!used.has(key)) problems.push(`${place}: ${key} is used nowhere`);

for (const problem of problems) console.error(problem);
console.log(`${owners.size} messages in two languages, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
