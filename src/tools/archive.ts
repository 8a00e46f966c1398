import type { FoundPassage, PassageFilter, Vector } from '../db/store.ts'
import { logger } from '../logger.ts'
import type { Embed, ToolCallContext } from './tool.ts'

/** Who puts something into an archive, or looks for it. It may be another agent's. */
export interface Archive {
  store: ToolCallContext['store']
  tenant: string
  agentId: string
  embed?: Embed | undefined
  signal: AbortSignal
}

export const archiveOf = ({ store, tenant, agent, embed, signal }: ToolCallContext): Archive => ({
  store,
  tenant,
  agentId: agent.id,
  embed,
  signal,
})

/** Stores the texts. They are kept even when the embedding model fails: a later search lets it read them. */
export async function remember(archive: Archive, texts: string[], tags: string[]): Promise<void> {
  const vectors = await vectorsOf(archive, texts)
  await archive.store.addPassages(
    archive.tenant,
    archive.agentId,
    texts.map((text, i) => ({ text, tags, vector: vectors?.[i] })),
  )
}

/** By meaning when there is an embedding model that answers, else by words. */
export async function recall(archive: Archive, query: string, filter: PassageFilter): Promise<FoundPassage[]> {
  const { store, tenant, agentId } = archive
  const asked = query.trim() === '' ? undefined : (await vectorsOf(archive, [query]))?.[0]
  if (asked) {
    await readUnread(archive, asked.model)
    const near = await store.nearestPassages(tenant, agentId, asked, filter)
    if (near.length > 0) return near
  }
  return store.searchPassages(tenant, agentId, query, filter)
}

/** How many passages one search lets the model read that it has not read yet. */
const UNREAD_LIMIT = 200

/** Passages that were stored without this model: before it was set, or while it did not answer. */
async function readUnread(archive: Archive, model: string) {
  const { store, tenant, agentId } = archive
  const unread = await store.passagesWithoutVector(tenant, agentId, model, UNREAD_LIMIT)
  if (unread.length === 0) return
  const vectors = await vectorsOf(
    archive,
    unread.map(({ text }) => text),
  )
  if (vectors)
    await store.setVectors(
      tenant,
      unread.map(({ id }, i) => ({ id, vector: vectors[i]! })),
    )
}

/** Undefined when there is no embedding model, or it fails: all that needs it goes on without. */
async function vectorsOf({ embed, signal }: Archive, texts: string[]): Promise<Vector[] | undefined> {
  if (!embed || texts.length === 0) return undefined
  try {
    const vectors = await embed(texts, signal)
    if (vectors.length !== texts.length) throw new Error(`${vectors.length} vectors came for ${texts.length} texts`)
    return vectors.map((values) => ({ model: embed.model ?? '', values }))
  } catch (error) {
    signal.throwIfAborted()
    logger.warn({ err: error }, 'The embedding model failed; the archive goes on by words')
    return undefined
  }
}
