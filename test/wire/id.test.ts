import { expect, test, vi } from 'vitest'
import { decrementMessageId, GroupId, newId, partOtid, RunId } from '../../src/wire/id.ts'

const row = 'message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c4d9'

test('a part’s otid is the row’s uuid with its low 7 bits replaced', () => {
  expect(partOtid(row, 0)).toBe('3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c480')
  expect(partOtid(row, 1)).toBe('3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c481')
  expect(partOtid(row, 127)).toBe('3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c4ff')
  expect(partOtid(row, 500)).toBe('3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c4ff')
  expect(partOtid('message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c459', 3)).toBe('3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c403')
})

test('an approval request’s id is one less, borrowing across digits and groups', () => {
  expect(decrementMessageId(row)).toBe('message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c4d8')
  expect(decrementMessageId('message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c400')).toBe(
    'message-3f2b8c1e-5a47-4d0e-9c33-7be1f0a2c3ff',
  )
  expect(decrementMessageId('message-00000000-5a47-4d0e-9c33-000000000000')).toBe(
    'message-00000000-5a47-4d0e-9c32-ffffffffffff',
  )
})

test('ids that are made later stand behind those made before, and are as hard to guess', () => {
  vi.useFakeTimers({ now: 1_790_000_000_000 })
  const [before, twin] = [newId('run'), newId('run')]
  vi.advanceTimersByTime(1)
  const later = newId('run')
  vi.useRealTimers()
  expect(before < later && twin < later).toBe(true)
  expect(before.slice(0, 17)).toBe(twin.slice(0, 17))
  expect(before.slice(18)).not.toBe(twin.slice(18))
  expect(RunId.parse(later)).toBe(later)
})

test('a new id is valid; upper case and other prefixes are not', () => {
  const id = newId('group')
  expect(GroupId.parse(id)).toBe(id)
  expect(id).toHaveLength(42)
  for (const bad of [id.toUpperCase(), newId('agent'), `${id} `, 'group-1'])
    expect(GroupId.safeParse(bad).error?.issues[0]?.message).toBe("String should match pattern 'group-{uuid4}'")
})
