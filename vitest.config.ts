import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Vitest would leave one CPU idle; most of what these tests do is to wait for processes of their own.
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: '100%' },
})
