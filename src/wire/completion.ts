import { z } from 'zod'
import { Metadata, Name, Text } from './field.ts'
import { OnBusy } from './request.ts'

/*
 * OpenAI's chat completions, as far as a group or an agent is a model. Objects that come in are loose: clients send much that a
 * conversation which the server holds has no use for, e.g. `temperature`.
 */

const TextPart = z.looseObject({ type: z.literal('text'), text: z.string() })

const ImagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.looseObject({ url: z.string().min(1).describe('https, or a data URL in base64'), detail: Name.nullish() }),
})

const TextOnly = z.union([z.string(), z.array(TextPart).min(1).max(1000)])

export const ChatMessage = z.discriminatedUnion('role', [
  z.looseObject({ role: z.enum(['system', 'developer']), content: TextOnly, name: Name.nullish() }),
  z.looseObject({
    role: z.literal('user'),
    content: z.union([
      z.string(),
      z
        .array(z.discriminatedUnion('type', [TextPart, ImagePart]))
        .min(1)
        .max(1000),
    ]),
    name: Name.nullish(),
  }),
  z.looseObject({ role: z.literal('assistant'), content: z.unknown().optional() }),
  z.looseObject({ role: z.literal('tool'), tool_call_id: Name, content: TextOnly }),
])
export type ChatMessage = z.infer<typeof ChatMessage>

const ChatTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: Name.min(1), description: Text.nullish(), parameters: Metadata.nullish() }),
})

/** `POST …/chat/completions` */
export const ChatRequest = z.looseObject({
  model: Name.min(1).describe('The id of a group or an agent, an agent’s name, or a group’s description'),
  messages: z
    .array(ChatMessage)
    .min(1)
    .max(10_000)
    .describe('What follows the last `assistant` message is said; the server has the rest'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z.array(ChatTool).max(1000).nullish().describe('Run by the caller: the completion ends with `tool_calls`'),
  n: z.literal(1).nullish().describe('There is one conversation'),
  on_busy: OnBusy.optional().describe('As in a Letta request'),
})
export type ChatRequest = z.infer<typeof ChatRequest>

export const ChatToolCall = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.object({ name: z.string(), arguments: z.string() }),
})
export type ChatToolCall = z.infer<typeof ChatToolCall>

export const ChatUsage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z.object({ reasoning_tokens: z.int() }),
})
export type ChatUsage = z.infer<typeof ChatUsage>

export const FinishReason = z.enum(['stop', 'length', 'tool_calls'])
export type FinishReason = z.infer<typeof FinishReason>

const head = { id: z.string().describe('The run'), created: z.int().describe('Seconds since 1970'), model: z.string() }

export const ChatCompletion = z.object({
  ...head,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.object({
      index: z.literal(0),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(ChatToolCall).optional(),
      }),
      logprobs: z.null(),
      finish_reason: FinishReason,
    }),
  ),
  usage: ChatUsage,
})
export type ChatCompletion = z.infer<typeof ChatCompletion>

export const ChatDelta = z.object({
  role: z.literal('assistant').optional(),
  name: z.string().optional().describe('Ours: who speaks from here on'),
  content: z.string().optional(),
  tool_calls: z
    .array(
      z.object({
        index: z.int(),
        id: z.string().optional(),
        type: z.literal('function').optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
})
export type ChatDelta = z.infer<typeof ChatDelta>

export const ChatCompletionChunk = z.object({
  ...head,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(z.object({ index: z.literal(0), delta: ChatDelta, finish_reason: FinishReason.nullable() })),
  usage: ChatUsage.nullable().optional().describe('With `stream_options.include_usage`: in the last one'),
})
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunk>

export const ChatModel = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.literal('roundtable'),
  name: z.string().describe('Ours: an agent’s name, a group’s description'),
})
export type ChatModel = z.infer<typeof ChatModel>

export const ChatModelList = z.object({ object: z.literal('list'), data: z.array(ChatModel) })

/** How OpenAI's clients are told that something is refused or failed. */
export const ChatError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable().describe('The field that is wrong'),
    code: z.string().nullable(),
  }),
  run_id: z.string().optional(),
})
export type ChatError = z.infer<typeof ChatError>
