import { Hono } from 'hono'
import { z } from 'zod'
import type { Caller, Services } from '../services.ts'
import type { ListedModel } from '../llm/index.ts'
import { EmbeddingModel, Model } from '../wire/model.ts'
import { repeated } from '../wire/page.ts'
import { answers } from './describe.ts'
import { validate } from './validate.ts'

const ModelsQuery = z.object({
  provider_category: repeated(z.string()),
  provider_name: z.string().optional(),
  provider_type: z.string().optional(),
})

/** `/v1/models`: what an agent can be given as its model (groups.md §4.5.5). */
export const modelRoutes = ({ providers }: Services) =>
  new Hono<Caller>({ strict: false })
    .get('/', answers('List models', z.array(Model)), validate('query', ModelsQuery), async (c) => {
      const { provider_category: categories, provider_name: name, provider_type: type } = c.req.valid('query')
      const models = (await providers.list()).filter(
        ({ provider }) =>
          (categories?.includes('base') ?? true) &&
          (name ?? provider.name) === provider.name &&
          (type ?? provider.type) === provider.type,
      )
      return c.json(models.map(toModel))
    })
    .get('/embedding', answers('List embedding models', z.array(EmbeddingModel)), (c) => c.json([]))
    .get('/embeddings', answers('List embedding models', z.array(EmbeddingModel)), (c) => c.json([]))

const toModel = ({ handle, provider, model, contextWindow }: ListedModel): Model =>
  Model.parse({
    handle,
    name: model,
    display_name: model,
    provider_type: provider.type,
    provider_name: provider.name,
    provider_category: 'base',
    model,
    model_endpoint_type: provider.type,
    model_endpoint: provider.endpoint,
    context_window: contextWindow,
    max_context_window: contextWindow,
  })
