#!/usr/bin/env -S node --max-semi-space-size=16 --v8-pool-size=1 --heap-growing-percent=200
// The door. Plain JavaScript, and nothing is imported before the check: on an older Node the TypeScript would not load, and
// the database binding would crash the process without a word.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`Roundtable needs Node 22.19 or newer, this is ${process.version}. In a clone, \`npm start\` brings its own.`)
  process.exit(1)
}
await import('./main.ts')
