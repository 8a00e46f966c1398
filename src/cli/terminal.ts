import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

export const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Only where standard output shows it. */
export const styled = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout })
