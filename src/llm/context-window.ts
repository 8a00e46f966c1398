/** By the beginning of the name, the more special one first (groups.md §4.5.1). */
const windows: [RegExp, number][] = [
  [/^gpt-5/, 272_000],
  [/^gpt-4\.1/, 256_000],
  [/^gpt-4o/, 128_000],
  [/^gpt-4(-\d{4})?$/, 8192],
  [/^claude/, 200_000],
  [/^gemini/, 1_048_576],
]

const DEFAULT_TOKENS = 128_000

/** How many tokens a model can see; OpenRouter's `maker/model` names count as the model's. */
export function contextWindow(model: string): number {
  const name = model.slice(model.lastIndexOf('/') + 1)
  return windows.find(([pattern]) => pattern.test(name))?.[1] ?? DEFAULT_TOKENS
}
