import { defineConfig } from 'rolldown'

/** The published form: plain `node` runs it with the native dependency alone. Importing Drizzle unbundled costs 250 MB. */
export default defineConfig({
  // The second is a process of its own, found beside the bundle (src/tools/sandbox-js.ts).
  input: { roundtable: 'src/roundtable.js', 'sandbox-child': 'src/tools/sandbox-child.js' },
  platform: 'node',
  external: ['better-sqlite3'],
  output: { dir: 'dist', cleanDir: true, minify: false },
})
