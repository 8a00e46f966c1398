import { InvalidArgument } from '../errors.ts'
import { FetchFailed, type GuardedFetch } from '../net/guarded-fetch.ts'
import type { ContentPart, ImageContent } from '../wire/content.ts'
import { decodeBase64, type Image, imageTypes, InvalidImage, readDataUrl, readImage } from './image-data.ts'

export interface ImageOptions {
  fetcher: Pick<GuardedFetch, 'get'>
  /** Of one image; those of one request may have twice as much together. */
  limitBytes: number
}

export type ResolveImages = ReturnType<typeof imageResolver>

const MAX_FETCHED = 20

/**
 * Makes every image of a request one that a provider takes as it is: base64 of a type that its bytes agree with (streaming.md
 * §10). Called at admission, so that an image that cannot be had is refused before anything is stored.
 *
 * @throws {InvalidArgument}
 */
export const imageResolver =
  ({ fetcher, limitBytes }: ImageOptions) =>
  async <M extends { content: string | ContentPart[] }>(messages: M[], signal?: AbortSignal): Promise<M[]> => {
    const failed = new AbortController()
    const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
    let left = 2 * limitBytes
    let fetches = 0
    const spend = (bytes: number) => {
      left -= bytes
      if (left < 0) throw new InvalidArgument(`The images of one request may have ${2 * limitBytes} bytes together`)
    }

    async function fetched(url: URL): Promise<Image> {
      if (++fetches > MAX_FETCHED) throw new InvalidArgument(`One request may have ${MAX_FETCHED} images by address`)
      try {
        const { bytes, type } = await fetcher.get(url, { types: imageTypes, onBytes: spend, signal: stop })
        return readImage(bytes, type)
      } catch (error) {
        if (!(error instanceof FetchFailed || error instanceof InvalidImage)) throw error
        throw new InvalidArgument(`Failed to fetch image from ${shown(url)}: ${error.message}`)
      }
    }

    function given(read: () => Image): Image {
      try {
        const image = read()
        spend(image.bytes.length)
        return image
      } catch (error) {
        throw error instanceof InvalidImage ? new InvalidArgument(`Invalid image: ${error.message}`) : error
      }
    }

    async function load({ source }: ImageContent): Promise<Image> {
      if (source.type !== 'url') {
        const { data } = source
        if (!data) throw new InvalidArgument('Invalid image: files are not kept here; send its data in base64, or its address')
        return given(() => readImage(decodeBase64(data, limitBytes), source.media_type))
      }
      switch (/^\s*([a-z][a-z0-9+.-]*):/i.exec(source.url)?.[1]?.toLowerCase()) {
        case 'data':
          return given(() => readDataUrl(source.url.trim(), limitBytes))
        case 'http':
        case 'https':
          if (!URL.canParse(source.url)) throw new InvalidArgument('Invalid image: its address is not a valid one')
          return await fetched(new URL(source.url))
        default:
          throw new InvalidArgument('Unsupported image URL scheme: use http, https or data')
      }
    }

    const resolve = async (part: ContentPart) => (part.type === 'image' ? inBase64(part, await load(part)) : part)
    try {
      return await Promise.all(
        messages.map(async (message) => {
          const { content } = message
          return typeof content === 'string' ? message : { ...message, content: await Promise.all(content.map(resolve)) }
        }),
      )
    } catch (error) {
      // The others are not needed any more.
      failed.abort(error)
      throw error
    }
  }

function inBase64({ source }: ImageContent, { type, bytes }: Image): ImageContent {
  const detail = source.type === 'url' ? undefined : source.detail
  return {
    type: 'image',
    source: { type: 'base64', media_type: type, data: bytes.toString('base64'), ...(detail && { detail }) },
  }
}

/** Without what may be secret in it. */
function shown(url: URL): string {
  const address = `${url.origin}${url.pathname}`
  return address.length > 200 ? `${address.slice(0, 200)}…` : address
}
