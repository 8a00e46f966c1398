import type { ToolRule } from '../wire/tool.ts'

/**
 * What the system prompt says of an agent's tool rules (groups.md §5.3): those of tools that it has. Empty when there is
 * nothing to say.
 */
export function describeRules(rules: ToolRule[] | null, toolNames: string[]): string {
  const texts = (rules ?? []).filter(({ tool_name }) => toolNames.includes(tool_name)).flatMap((rule) => ruleText(rule) ?? [])
  if (texts.length === 0) return ''
  return [
    '<tool_usage_rules>',
    'Your tools are bound by these rules. A call that breaks one is refused.',
    ...texts.map((text) => `<tool_rule>\n${text}\n</tool_rule>`),
    '</tool_usage_rules>',
  ].join('\n')
}

/** One rule in words; nothing for one that the model need not know of. */
export function ruleText(rule: ToolRule): string | undefined {
  const tool = rule.tool_name
  switch (rule.type) {
    case 'run_first':
      return `Your first call must be ${tool}, unless another tool is named as a first one, too.`
    case 'constrain_child_tools':
      return rule.children.length === 0 ? undefined : `Right after ${tool} you must call ${either(rule.children)}.`
    case 'parent_last_tool':
      return rule.children.length === 0
        ? undefined
        : `Only right after ${tool} can you call ${either(rule.children)}, and then you must.`
    case 'conditional':
      return `The result of ${tool} decides which tool you can call next.`
    case 'exit_loop':
      return `${tool} ends your turn.`
    case 'continue_loop':
      return `After ${tool} your turn goes on.`
    case 'max_count_per_step':
      return `You can call ${tool} at most ${rule.max_count_limit === 1 ? 'once' : `${rule.max_count_limit} times`} in one turn.`
    case 'required_before_exit':
      return `Your turn cannot end before you have called ${tool}.`
    case 'requires_approval':
      return undefined
  }
}

const either = (names: string[]) => (names.length === 1 ? names[0]! : `one of ${names.join(', ')}`)
