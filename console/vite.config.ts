import { fileURLToPath } from 'node:url';
import { writeFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { defineConfig, type Plugin } from 'vite';

const STATIC = fileURLToPath(new URL('../src/tocsin/web/static', import.meta.url));
/** Where `npm run dev` forwards the API; the built console is always served by the server itself. */
const SERVER = process.env.TOCSIN_URL ?? 'http://127.0.0.1:8080';

/** Git keeps the empty folder by this file, and `emptyOutDir` removes it. */
function keepFolder(): Plugin {
  return {
    name: 'keep-folder',
    apply: 'build',
    closeBundle: () => writeFileSync(`${STATIC}/.gitkeep`, ''),
  };
}

export default defineConfig({
  plugins: [
    paraglideVitePlugin({ project: './project.inlang', outdir: './src/paraglide', strategy: ['baseLocale'], isServer: 'false' }),
    svelte(),
    keepFolder(),
  ],
  resolve: {
    alias: {
      $lib: fileURLToPath(new URL('./src/lib', import.meta.url)),
      $m: fileURLToPath(new URL('./src/paraglide/messages.js', import.meta.url)),
    },
  },
  build: {
    outDir: STATIC,
    emptyOutDir: true,
    target: 'es2022',
    manifest: true,
    // Every asset stays a file: a strict content policy allows no data: fonts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1300,
    // What several pages share comes in a few parts, not in twenty: each part is a request before the first picture.
    rolldownOptions: {
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: 'frame', test: /node_modules[\\/](?!maplibre)|src[\\/]lib[\\/](api|feed|i18n|keys|state|ui|[a-z.]+\.ts$)/, minShareCount: 3, priority: 4 },
            { name: 'words', test: /src[\\/]paraglide/, minShareCount: 10, priority: 3 },
            { name: 'desk-words', test: /paraglide[\\/]messages[\\/](registry|recordings)_/, minShareCount: 2, priority: 1 },
            { name: 'desk', test: /src[\\/]lib[\\/]registry[\\/](?!protocol)/, minShareCount: 2, priority: 1 },
            { name: 'picture', test: /src[\\/]lib[\\/](player|speech)[\\/]/, minShareCount: 2, priority: 2 },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: SERVER, ws: true }, '/healthz': SERVER, '/readyz': SERVER },
  },
});
