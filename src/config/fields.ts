import { z } from 'zod'

/* What settings are made of: texts of an environment, checked and in our units. */

export const flag = z.stringbool().default(false)
export const seconds = (fallback: number) => z.coerce.number().positive().default(fallback)

/** `name=value, …`, both as in an address. */
export const otelPairs = z
  .string()
  .default('')
  .transform((pairs) =>
    Object.fromEntries(
      pairs.split(',').flatMap((pair) => {
        const [name = '', ...value] = pair.split('=')
        return name.trim() === '' ? [] : [[name.trim(), decodeURIComponent(value.join('=').trim())]]
      }),
    ),
  )

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export const text = z.string().optional()
export const count = (fallback: number) => z.coerce.number().int().positive().default(fallback)
export const words = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((list) => list.split(',').flatMap((word) => word.trim() || []))
export const hostPort = z
  .string()
  .refine((target) => /^[^/@?#]+:\d+$/.test(target) && URL.canParse(`http://${target}`), 'is a list of host:port, with commas')

/** Without a port: it makes no difference which one a server is reached at. */
export const hostname = z
  .string()
  .toLowerCase()
  .refine((name) => URL.canParse(`http://${name}`) && new URL(`http://${name}`).hostname === name, 'is a list of host names')

/** What browsers send as `Origin`; `loopback` is every page of this machine, `*` lets all others read. */
export const origin = z
  .string()
  .transform((given) => given.replace(/\/$/, ''))
  .refine(
    (given) => given === '*' || given === 'loopback' || (URL.canParse(given) && new URL(given).origin === given),
    'is a list of origins as https://a-page.example, or loopback, or *',
  )
