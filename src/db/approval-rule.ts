import type { ToolRule } from '../wire/tool.ts'

/** An agent's rules with, or without, the one that makes a tool wait for leave (streaming.md §7.1). */
export function withApproval(rules: ToolRule[] | null, toolName: string, required: boolean): ToolRule[] {
  const others = (rules ?? []).filter((rule) => rule.type !== 'requires_approval' || rule.tool_name !== toolName)
  return required ? [...others, { type: 'requires_approval', tool_name: toolName }] : others
}
