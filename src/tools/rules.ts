import type { ToolRule } from '../wire/tool.ts'
import { ruleText } from './rule-text.ts'

/** A call of this turn and the text that it gave. */
export interface Called {
  name: string
  result: string
}

/** What an agent's tool rules say at one moment of its turn. */
export interface Rules {
  /** What may be called now, in the agent's order; may be empty: then it can only speak. */
  allowed: string[]
  /** It must call a tool now: words alone will not do. */
  mustCall: boolean
  /** Whether one answer may hold several calls; else all but the first are dropped (groups.md §5.7.4). */
  parallel: boolean
  /** Arguments that win over the model's in a call made now. */
  prefilled(name: string): Record<string, unknown> | undefined
  needsApproval(name: string): boolean
  /** The result of a call that is not allowed now (streaming.md §3.8); nothing for an allowed or an unknown tool. */
  violation(name: string): string | undefined
  /**
   * Whether the turn may, or must, end after a step with these calls; none: the model only spoke. `missing` are the tools that
   * have yet to be called; while there are any, nothing ends it.
   */
  after(calls: (Called & { isError: boolean })[]): { ends: boolean; missing: string[] }
}

/**
 * All nine rules of groups.md §5.6, as a function of what was called before in this turn; calls that were refused for a rule do
 * not count. Where we differ from Letta: `max_count_per_step` is never lifted; a `conditional` that requires a mapping and finds
 * none leaves only words; a call that failed does not end the turn, so that the model can mend it. `continue_loop` needs
 * nothing: after a call the turn goes on by itself. Rules that leave no tool at all are as good as none.
 */
export function rulesFor(rules: ToolRule[] | null, history: Called[], toolNames: string[]): Rules {
  const all = rules ?? []
  const ran = history.filter(wasRun)
  const last = ran.at(-1)
  const first = ran.length === 0 ? ofType(all, 'run_first') : []
  const { allowed, mustCall } = open(all, ran, first.map(toolOf), toolNames)

  return {
    allowed,
    mustCall,
    parallel: all.every(({ type }) => type === 'requires_approval'),

    prefilled(name) {
      const set = [
        ...first.filter((rule) => rule.tool_name === name),
        ...ofType(all, 'constrain_child_tools')
          .filter((rule) => rule.tool_name === last?.name)
          .flatMap((rule) => (rule.child_arg_nodes ?? []).filter((node) => node.name === name)),
      ].flatMap(({ args }) => (args ? Object.entries(args) : []))
      return set.length === 0 ? undefined : Object.fromEntries(set)
    },

    needsApproval: (name) => ofType(all, 'requires_approval').some((rule) => rule.tool_name === name),

    violation(name) {
      if (allowed.includes(name) || !toolNames.includes(name)) return undefined
      const hints = all.filter((rule) => concerns(rule, name, last)).flatMap((rule) => ruleText(rule) ?? [])
      return [`${CONSTRAINT} Cannot call ${name}, valid tools include: ${JSON.stringify(allowed)}`, ...hints].join('\n')
    },

    after(calls) {
      const called = new Set([...ran, ...calls.filter(wasRun)].map(({ name }) => name))
      const missing = toolNames.filter(
        (name) => !called.has(name) && ofType(all, 'required_before_exit').some((rule) => rule.tool_name === name),
      )
      const final = new Set(ofType(all, 'exit_loop').map(toolOf))
      const wantsEnd = calls.length === 0 || calls.some((call) => wasRun(call) && !call.isError && final.has(call.name))
      return { ends: wantsEnd && missing.length === 0, missing }
    },
  }
}

const CONSTRAINT = '[ToolConstraintError]'

/** Whether the rule may be why `name` cannot be called after `last`. */
function concerns(rule: ToolRule, name: string, last: Called | undefined): boolean {
  if (rule.type === 'run_first') return last === undefined
  return [name, last?.name].includes(rule.tool_name) || (rule.type === 'parent_last_tool' && rule.children.includes(name))
}

const wasRun = ({ result }: Called) => !result.startsWith(CONSTRAINT)
const toolOf = ({ tool_name }: ToolRule) => tool_name

type RuleOf<T extends ToolRule['type']> = Extract<ToolRule, { type: T }>

const ofType = <T extends ToolRule['type']>(rules: ToolRule[], type: T) =>
  rules.filter((rule): rule is RuleOf<T> => rule.type === type)

function open(rules: ToolRule[], ran: Called[], first: string[], toolNames: string[]) {
  const begin = toolNames.filter((name) => first.includes(name))
  if (begin.length > 0) return { allowed: begin, mustCall: true }

  const last = ran.at(-1)
  const count = (name: string) => ran.filter((call) => call.name === name).length
  const spent = ofType(rules, 'max_count_per_step').filter((rule) => count(rule.tool_name) >= rule.max_count_limit)
  const left = toolNames.filter((name) => !spent.some((rule) => rule.tool_name === name))

  const next = last ? rules.flatMap((rule) => childrenOf(rule, last) ?? []) : []
  if (next.some(({ names }) => names.length === 0)) return { allowed: [], mustCall: false }
  const parents = ofType(rules, 'parent_last_tool').filter((rule) => rule.tool_name !== last?.name)
  const orphans = new Set(parents.flatMap(({ children }) => children))
  const fitting = left.filter((name) => !orphans.has(name) && next.every(({ names }) => names.includes(name)))
  return fitting.length > 0 ? { allowed: fitting, mustCall: next.length > 0 } : { allowed: left, mustCall: false }
}

/** What a rule demands right after the call `last`; nothing when it does not speak of it. No names: no tool at all. */
function childrenOf(rule: ToolRule, last: Called): { names: string[] } | undefined {
  if (rule.tool_name !== last.name) return undefined
  if (rule.type === 'constrain_child_tools' || rule.type === 'parent_last_tool') {
    return rule.children.length === 0 ? undefined : { names: rule.children }
  }
  if (rule.type !== 'conditional') return undefined
  const hit = Object.entries(rule.child_output_mapping).find(([key]) => isValue(key, last.result))
  if (hit) return { names: [hit[1]] }
  if (rule.require_output_mapping) return { names: [] }
  return rule.default_child ? { names: [rule.default_child] } : undefined
}

/** A key of a mapping is a text, a number or a truth value; Python writes the last in its own way. */
function isValue(key: string, result: string): boolean {
  const given = result.trim()
  if (given === key || (/^(true|false)$/i.test(key) && given.toLowerCase() === key.toLowerCase())) return true
  return NUMBER.test(key) && NUMBER.test(given) && Number(key) === Number(given)
}

const NUMBER = /^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$/i
