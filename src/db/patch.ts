/** Without the keys that are undefined: those a PATCH leaves unchanged, while null is a value (design §5 row 22). */
export function given<T extends object>(update: T): Partial<T> {
  const kept: Partial<T> = { ...update }
  for (const key in kept) if (kept[key] === undefined) delete kept[key]
  return kept
}
