import { ProviderError } from '../llm/errors.ts'
import type { Providers } from '../llm/index.ts'
import type { ModelCall, PromptMessage, UserPart } from '../llm/provider.ts'
import type { AgentState } from '../wire/agent.ts'
import type { CompactOptions } from './compaction.ts'

export interface SummariserOptions {
  agent: Pick<AgentState, 'model' | 'model_settings' | 'llm_config' | 'compaction_settings'>
  providers: Pick<Providers, 'resolve'>
  signal: AbortSignal
  /** What the agent runs on now, if it is not its own model. */
  override?: string | null | undefined
}

/**
 * Summarises by one call of the model in `compaction_settings`, or of the agent's own; `self_compact_…` means its own. Its
 * tokens are not counted as the run's (streaming.md §5.3).
 */
export function summariser({ agent, providers, signal, override }: SummariserOptions) {
  const settings = agent.compaction_settings
  const own = override ?? agent.model ?? ''
  const handle = settings?.mode.startsWith('self_compact') ? own : (settings?.model ?? own)
  const { provider, model } = providers.resolve(handle)
  const modelSettings = settings?.model_settings ?? (handle === agent.model ? agent.model_settings : null) ?? {}
  return {
    summariserWindow: handle === agent.model ? agent.llm_config.context_window : provider.contextWindow(model),

    /** @throws {ProviderError} */
    async summarise(transcript: string, prompt: string): Promise<string> {
      const call: ModelCall = {
        model,
        system: prompt,
        messages: settings?.prompt_acknowledgement ? [...acknowledged, user(transcript)] : [user(transcript)],
        tools: [],
        toolChoice: 'auto',
        parallelToolCalls: false,
        // A summary is text, whatever form the agent's own answers have.
        settings: { ...modelSettings, response_format: null, response_schema: null },
        signal,
      }
      let text = ''
      await provider.stream(call, (deltas) => {
        for (const delta of deltas) if (delta.type === 'text') text += delta.text
        return undefined
      })
      if (text.trim() === '') throw new ProviderError('empty', provider)
      return text.trim()
    },
  } satisfies Pick<CompactOptions, 'summarise' | 'summariserWindow'>
}

const user = (text: string): PromptMessage => ({ role: 'user', content: [{ type: 'text', text } satisfies UserPart] })

/** Some models answer the conversation instead of summarising it, unless they have agreed to first. */
const acknowledged: PromptMessage[] = [
  user('The next message is the conversation to summarise.'),
  { role: 'assistant', content: [{ type: 'text', text: 'Understood: I will answer with its summary and nothing else.' }] },
]
