import { defineConfig } from 'rolldown'

/** The published form: plain `node` runs it with the native dependency alone. Importing Drizzle unbundled costs 250 MB. */
export default defineConfig({
  input: { roundtable: 'src/roundtable.js' },
  platform: 'node',
  external: ['better-sqlite3'],
  output: { dir: 'dist', cleanDir: true, minify: false },
})
