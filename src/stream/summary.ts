import { z } from 'zod'
import type { MessageRow, Part } from '../db/store.ts'
import { partOtid } from '../wire/id.ts'
import { isoDate, SummaryMessage } from '../wire/message.ts'
import { headOf } from './answer.ts'

const CompactionStats = SummaryMessage.shape.compaction_stats.unwrap()
export type CompactionStats = z.infer<typeof CompactionStats>

/** What a summary row holds, as a text (groups.md §5.5.4). */
const Packed = z.object({
  type: z.literal('system_alert'),
  message: z.string(),
  time: z.iso.datetime({ offset: true }),
  compaction_stats: CompactionStats.nullable().default(null),
})

const NOTE =
  'Older messages of this conversation are no longer shown to you: this summary stands in their place. ' +
  'What follows it is what was said most recently.'

/** The parts of a summary row. */
export function packSummary(summary: string, stats: CompactionStats, date: number): Part[] {
  const packed: z.infer<typeof Packed> = {
    type: 'system_alert',
    message: `${NOTE}\n\n${summary}`,
    time: isoDate(date),
    compaction_stats: stats,
  }
  return [{ type: 'text', text: JSON.stringify(packed) }]
}

/** The summary alone, without the note around it. */
export const summaryOf = (row: Pick<MessageRow, 'parts'>): string => unpack(row).message.replace(`${NOTE}\n\n`, '')

/** A summary row on the wire (streaming.md §3.10); one that is not packed, e.g. imported, is shown as it is. */
export function expandSummary(row: MessageRow): SummaryMessage {
  const { message, compaction_stats } = unpack(row)
  return { ...headOf(row, 'summary_message', partOtid(row.id, 0)), summary: message, compaction_stats }
}

function unpack({ parts }: Pick<MessageRow, 'parts'>): Pick<z.infer<typeof Packed>, 'message' | 'compaction_stats'> {
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  return Packed.safeParse(json).data ?? { message: text, compaction_stats: null }
}
