import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeRules } from '../../src/tools/rule-text.ts'
import { rulesFor } from '../../src/tools/rules.ts'
import { ToolRule } from '../../src/wire/tool.ts'

const tools = ['a', 'b', 'c', 'd']
const rule = (type: string, tool_name: string, more: object = {}) => ToolRule.parse({ type, tool_name, ...more })
const called = (...names: string[]) => names.map((name) => ({ name, result: 'ok' }))
const at = (rules: ToolRule[], history: { name: string; result: string }[] = []) => rulesFor(rules, history, tools)
const done = (name: string, isError = false) => ({ name, result: 'ok', isError })

const name = fc.constantFrom(...tools, 'not attached')
const names = fc.uniqueArray(name, { maxLength: 3 })
const history = fc.array(fc.record({ name, result: fc.constantFrom('ok', 'x', 'true', '3', '[ToolConstraintError] no') }))
const mapping = fc.dictionary(fc.constantFrom('ok', 'x', 'true', '3.0'), name, { minKeys: 1 })
const ruleOf: Record<ToolRule['type'], fc.Arbitrary<ToolRule>> = {
  run_first: name.map((tool) => rule('run_first', tool)),
  constrain_child_tools: fc.tuple(name, names).map(([tool, children]) => rule('constrain_child_tools', tool, { children })),
  parent_last_tool: fc.tuple(name, names).map(([tool, children]) => rule('parent_last_tool', tool, { children })),
  conditional: fc
    .tuple(name, mapping, fc.option(name), fc.boolean())
    .map(([tool, child_output_mapping, default_child, require_output_mapping]) =>
      rule('conditional', tool, { child_output_mapping, default_child, require_output_mapping }),
    ),
  exit_loop: name.map((tool) => rule('exit_loop', tool)),
  continue_loop: name.map((tool) => rule('continue_loop', tool)),
  max_count_per_step: fc
    .tuple(name, fc.integer({ min: 1, max: 3 }))
    .map(([tool, max_count_limit]) => rule('max_count_per_step', tool, { max_count_limit })),
  required_before_exit: name.map((tool) => rule('required_before_exit', tool)),
  requires_approval: name.map((tool) => rule('requires_approval', tool)),
}
const anyRules = fc.array(fc.oneof(...Object.values(ruleOf)), { maxLength: 6 })

test('without rules everything is allowed and nothing is demanded', () => {
  for (const none of [null, []]) {
    const rules = rulesFor(none, called('a'), tools)
    expect(rules).toMatchObject({ allowed: tools, mustCall: false, parallel: true })
    expect(rules.after([])).toEqual({ ends: true, missing: [] })
    expect(rules.after([done('a')])).toEqual({ ends: false, missing: [] })
    expect(describeRules(none, tools)).toBe('')
  }
})

test('whatever the rules: what is allowed is attached, what must be called can be, and just the others are violations', () => {
  fc.assert(
    fc.property(anyRules, history, (rules, past) => {
      const { allowed, mustCall, violation } = at(rules, past)
      expect(tools.filter((tool) => allowed.includes(tool))).toEqual(allowed)
      expect(mustCall && allowed.length === 0).toBe(false)
      expect(tools.filter((tool) => violation(tool) === undefined)).toEqual(allowed)
      const start = (tool: string) =>
        `[ToolConstraintError] Cannot call ${tool}, valid tools include: ${JSON.stringify(allowed)}`
      expect(tools.every((tool) => allowed.includes(tool) || violation(tool)!.startsWith(start(tool)))).toBe(true)
      expect(violation('not attached')).toBeUndefined()
    }),
  )
})

test('a call that was refused for a rule leaves everything as it was', () => {
  fc.assert(
    fc.property(anyRules, history, name, (rules, past, tool) => {
      const before = at(rules, past)
      const refused = { name: tool, result: `[ToolConstraintError] Cannot call ${tool}`, isError: true }
      const after = at(rules, [...past, refused])
      expect([after.allowed, after.mustCall]).toEqual([before.allowed, before.mustCall])
      expect(before.after([refused])).toEqual({ ends: false, missing: before.after([]).missing })
    }),
  )
})

test('run_first: the first call is one of those, and it must be made; later they bind nothing', () => {
  const rules = [rule('run_first', 'b', { args: { n: 1, m: 2 } }), rule('run_first', 'd'), rule('run_first', 'not attached')]
  expect(at(rules)).toMatchObject({ allowed: ['b', 'd'], mustCall: true })
  expect(at(rules).prefilled('b')).toEqual({ n: 1, m: 2 })
  expect(at(rules).prefilled('d')).toBeUndefined()
  expect(at(rules, called('b'))).toMatchObject({ allowed: tools, mustCall: false })
  expect(at(rules, called('b')).prefilled('b')).toBeUndefined()
  expect(at([rule('run_first', 'not attached')])).toMatchObject({ allowed: tools, mustCall: false })
})

test('constrain_child_tools: right after the parent a child must be called, with the arguments set for it', () => {
  const rules = [
    rule('constrain_child_tools', 'a', {
      children: ['c', 'b'],
      child_arg_nodes: [{ name: 'c', args: { x: 1 } }, { name: 'b' }],
    }),
  ]
  expect(at(rules)).toMatchObject({ allowed: tools, mustCall: false })
  expect(at(rules, called('a'))).toMatchObject({ allowed: ['b', 'c'], mustCall: true })
  expect(at(rules, called('a')).prefilled('c')).toEqual({ x: 1 })
  expect(at(rules, called('a')).prefilled('b')).toBeUndefined()
  expect(at(rules, called('a', 'b'))).toMatchObject({ allowed: tools, mustCall: false })
  expect(at(rules, called('a', 'b')).prefilled('c')).toBeUndefined()
})

test('parent_last_tool: its children right after it, and then only they', () => {
  const rules = [rule('parent_last_tool', 'a', { children: ['c', 'd'] })]
  expect(at(rules)).toMatchObject({ allowed: ['a', 'b'], mustCall: false })
  expect(at(rules, called('a'))).toMatchObject({ allowed: ['c', 'd'], mustCall: true })
  expect(at(rules, called('a', 'c'))).toMatchObject({ allowed: ['a', 'b'], mustCall: false })
  expect(at(rules).violation('c')).toContain('Only right after a can you call one of c, d')
})

test.each([
  ['yes', ['b']],
  ['no', tools],
  ['True', ['c']],
  ['true', ['c']],
  ['3', ['d']],
  ['3.0', ['d']],
  ['3,0', tools],
  ['', tools],
])('conditional: the result %j leaves %j', (result, allowed) => {
  const child_output_mapping = { yes: 'b', true: 'c', '3': 'd', '': 'gone' }
  const rules = at([rule('conditional', 'a', { child_output_mapping })], [{ name: 'a', result }])
  expect(rules).toMatchObject({ allowed, mustCall: allowed.length < tools.length })
})

test('conditional: for a result without a mapping there is the default, or nothing when a mapping is required', () => {
  const child_output_mapping = { yes: 'b' }
  const odd = [{ name: 'a', result: 'odd' }]
  const withDefault = rule('conditional', 'a', { child_output_mapping, default_child: 'd' })
  expect(at([withDefault], odd)).toMatchObject({ allowed: ['d'], mustCall: true })
  const strict = rule('conditional', 'a', { child_output_mapping, default_child: 'd', require_output_mapping: true })
  expect(at([strict], odd)).toMatchObject({ allowed: [], mustCall: false })
  expect(at([strict], [...odd, ...called('b')])).toMatchObject({ allowed: tools, mustCall: false })
})

test('exit_loop: the turn ends after it, unless it failed', () => {
  const rules = at([rule('exit_loop', 'a')])
  expect(rules.after([done('b'), done('a')]).ends).toBe(true)
  expect(rules.after([done('b')]).ends).toBe(false)
  expect(rules.after([done('a', true)]).ends).toBe(false)
  expect(rules.after([done('a', true), done('a')]).ends).toBe(true)
})

test('continue_loop: says what is so anyhow', () => {
  fc.assert(
    fc.property(
      anyRules,
      ruleOf.continue_loop,
      history,
      fc.array(name.map((tool) => done(tool))),
      (rules, more, past, calls) => {
        const [without, withIt] = [at(rules, past), at([...rules, more], past)]
        expect([withIt.allowed, withIt.mustCall, withIt.after(calls)]).toEqual([
          without.allowed,
          without.mustCall,
          without.after(calls),
        ])
      },
    ),
  )
})

test('max_count_per_step: never more calls than that in a turn, whatever the other rules', () => {
  fc.assert(
    fc.property(anyRules, ruleOf.max_count_per_step, history, (rules, limit, past) => {
      const { allowed } = at([...rules, limit], past)
      const ran = past.filter((call) => call.name === limit.tool_name && call.result !== '[ToolConstraintError] no').length
      const spent = limit.type === 'max_count_per_step' && ran >= limit.max_count_limit
      expect(spent && allowed.includes(limit.tool_name)).toBe(false)
    }),
  )
  const twice = rule('max_count_per_step', 'a', { max_count_limit: 2 })
  expect(at([twice], called('a', 'b')).allowed).toEqual(tools)
  expect(at([twice], called('a', 'b', 'a')).allowed).toEqual(['b', 'c', 'd'])
  expect(rulesFor([twice], called('a', 'a'), ['a'])).toMatchObject({ allowed: [], mustCall: false })
})

test('required_before_exit: the turn ends neither by words nor by a last tool while one is missing', () => {
  const rules = [rule('required_before_exit', 'b'), rule('required_before_exit', 'not attached'), rule('exit_loop', 'a')]
  expect(at(rules).after([])).toEqual({ ends: false, missing: ['b'] })
  expect(at(rules).after([done('a')])).toEqual({ ends: false, missing: ['b'] })
  expect(at(rules).after([done('b'), done('a')])).toEqual({ ends: true, missing: [] })
  expect(at(rules, called('b')).after([])).toEqual({ ends: true, missing: [] })
})

test('requires_approval: names the tool, and alone leaves calls in parallel', () => {
  const rules = [rule('requires_approval', 'a')]
  expect([at(rules).needsApproval('a'), at(rules).needsApproval('b'), at(rules).parallel]).toEqual([true, false, true])
  expect(at([...rules, rule('continue_loop', 'b')]).parallel).toBe(false)
})

test('rules that bind together leave what all of them allow', () => {
  const rules = [
    rule('constrain_child_tools', 'a', { children: ['b', 'c'] }),
    rule('constrain_child_tools', 'a', { children: ['c', 'd'] }),
    rule('max_count_per_step', 'c', { max_count_limit: 1 }),
  ]
  expect(at(rules, called('a'))).toMatchObject({ allowed: ['c'], mustCall: true })
  // They cannot be kept any more: all that is not used up is allowed again.
  expect(at(rules, called('c', 'a'))).toMatchObject({ allowed: ['a', 'b', 'd'], mustCall: false })
})

test('a name from outside is no key of anything', () => {
  const rules = [rule('run_first', '__proto__', { args: JSON.parse('{"__proto__":{"x":1}}') }), rule('run_first', 'toString')]
  const { allowed, prefilled } = rulesFor(rules, [], ['__proto__', 'toString'])
  expect(allowed).toEqual(['__proto__', 'toString'])
  expect(({ ...prefilled('__proto__') } as { x?: number }).x).toBeUndefined()
})

test('the model reads its rules, those of tools that it has', () => {
  const rules = [
    rule('run_first', 'a'),
    rule('constrain_child_tools', 'a', { children: ['b', 'c'] }),
    rule('max_count_per_step', 'b', { max_count_limit: 2 }),
    rule('exit_loop', 'not attached'),
    rule('requires_approval', 'c'),
  ]
  const text = describeRules(rules, tools)
  expect(text).toMatch(/^<tool_usage_rules>\n[^]*\n<\/tool_usage_rules>$/)
  expect(text.match(/<tool_rule>\n.+\n<\/tool_rule>/g)!.length).toBe(3)
  expect(text).toContain('Right after a you must call one of b, c.')
  expect(text).toContain('at most 2 times')
  expect(text).not.toContain('not attached')
})
