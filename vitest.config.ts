import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/publish.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Vitest would leave one CPU idle; most of what these tests do is to wait for processes of their own.
    maxWorkers: '100%',
  },
})
