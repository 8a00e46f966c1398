import { createHash } from 'node:crypto'
import type { RequestKey } from '../db/store.ts'
import { InvalidArgument } from '../errors.ts'
import type { SendRequest } from '../wire/request.ts'

/**
 * What tells a request from others to the same target: its `Idempotency-Key` header, else the otids of its inputs, if each has
 * one (design §5 row 26, streaming.md §2.6). How it is answered, as events or not, makes no other request of it.
 *
 * @throws {InvalidArgument} for a header that can be no key
 */
export function requestKey(target: string, request: SendRequest, header: string | undefined): RequestKey | undefined {
  const key = header === undefined ? ofInputs(request) : `key:${checked(header)}`
  if (key === undefined) return undefined
  return { target, key, hash: sha256(JSON.stringify({ ...request, streaming: undefined })) }
}

function checked(header: string): string {
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return header
  throw new InvalidArgument('INVALID_ARGUMENT: Idempotency-Key must be 1 to 255 printable ASCII characters without blanks')
}

function ofInputs({ messages }: SendRequest): string | undefined {
  const otids = messages.map(({ otid }) => otid)
  return otids.every(Boolean) ? `otid:${sha256(otids.join('|'))}` : undefined
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
