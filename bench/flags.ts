import { readFileSync } from 'node:fs'

/** The flags of Node that an entry's own first line asks for: with others it is not what is published, and takes more memory. */
export const flagsOf = (entry: string): string[] => /^#!.* node (.+)/.exec(readFileSync(entry, 'utf8'))?.[1]!.split(' ') ?? []
