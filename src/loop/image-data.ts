/** What every provider takes, and how such a file begins. */
const begins = {
  'image/png': (start: string) => start.startsWith('\x89PNG\r\n\x1a\n'),
  'image/jpeg': (start: string) => start.startsWith('\xff\xd8\xff'),
  'image/gif': (start: string) => /^GIF8[79]a/.test(start),
  'image/webp': (start: string) => /^RIFF.{4}WEBP/s.test(start),
}

type ImageType = keyof typeof begins

export const imageTypes = Object.keys(begins) as ImageType[]

export interface Image {
  type: ImageType
  bytes: Buffer
}

/** The message is the reason. */
export class InvalidImage extends Error {}

/** @param declared what it is said to be; left out, its bytes say it @throws {InvalidImage} */
export function readImage(bytes: Buffer, declared?: string | null): Image {
  const start = bytes.toString('latin1', 0, 16)
  const type = imageTypes.find((one) => begins[one](start))
  if (!type) throw new InvalidImage(`it is not one of ${imageTypes.join(', ')}`)
  const said = declared?.toLowerCase().replace('image/jpg', 'image/jpeg')
  if (said && said !== type) throw new InvalidImage(`it is said to be ${said.slice(0, 100)}, and is ${type}`)
  return { type, bytes }
}

/** Padding may be missing, and lines may be broken. @throws {InvalidImage} */
export function decodeBase64(text: string, limitBytes: number): Buffer {
  if (text.length * 0.7 > limitBytes) throw new InvalidImage(`it is larger than ${limitBytes} bytes`)
  const plain = text.replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(plain)) throw new InvalidImage('it is not valid base64')
  const bytes = Buffer.from(plain, 'base64')
  if (bytes.length > limitBytes) throw new InvalidImage(`it is larger than ${limitBytes} bytes`)
  return bytes
}

/** `data:image/png;base64,…` @throws {InvalidImage} */
export function readDataUrl(url: string, limitBytes: number): Image {
  const comma = url.indexOf(',')
  const [, type, encoding] = /^data:([^;,]*)(?:;[^;,]*)*?(;base64)?$/i.exec(url.slice(0, comma)) ?? []
  if (comma < 0 || !encoding) throw new InvalidImage('its data: address is not in base64')
  return readImage(decodeBase64(url.slice(comma + 1), limitBytes), type)
}
