import { z } from 'zod'

/** Names, labels, handles, tags. */
export const Name = z.string().max(512)

/** Descriptions and prompts. */
export const Text = z.string().max(100_000)

export const Metadata = z.record(z.string(), z.unknown())

/** A list that may be left out or null, which is the same as empty. */
export const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .max(1000)
    .nullish()
    .transform((items) => items ?? [])

/** In a PATCH: null cannot be stored here, so it means what leaving it out means: unchanged (design §5 row 22). */
export const unlessNull = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined)
