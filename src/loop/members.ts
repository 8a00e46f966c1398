import type { Admission } from '../db/store.ts'
import type { Member } from './scene.ts'

type Parties = Pick<Admission, 'members' | 'managerAgent' | 'sleeptime'>

/** Each member once, in speaking order. */
export const distinct = (members: Member[]): Member[] => [...new Map(members.map((member) => [member.id, member])).values()]

/**
 * All who speak or hear in a run, each once: the members in speaking order, then the manager. Members that work in the
 * background are not among them: they read of it afterwards.
 */
export const audience = ({ members, managerAgent, sleeptime }: Parties): Member[] => {
  if (!managerAgent) return distinct(members)
  return sleeptime ? [managerAgent] : distinct([...members, managerAgent])
}
