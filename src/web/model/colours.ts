/** Hues that are told apart side by side, in the order in which members get them. */
const hues = [38, 250, 152, 330, 85, 200, 290, 15, 120, 225]

/** The hue of a speaker: by the place in the group; for anybody else by the name, always the same. */
export function hueOf(id: string, cast: string[]): number {
  const place = cast.indexOf(id)
  if (place >= 0) return hues[place % hues.length]!
  let sum = 0
  for (const char of id) sum = (sum * 31 + char.codePointAt(0)!) >>> 0
  return hues[sum % hues.length]!
}

/** As a style of an element: everything in it may be coloured by `--hue`. */
export const inHue = (hue: number) => ({ '--hue': String(hue) })
