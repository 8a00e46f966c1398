import type { Admission } from '../../src/db/store.ts'
import { SendRequest } from '../../src/wire/request.ts'

/** What a run was admitted with that nobody runs. */
export function plainAdmission(): Admission {
  const { messages: _, ...request } = SendRequest.parse({ input: 'x' })
  return {
    request,
    manager: 'agent',
    description: '',
    maxTurns: null,
    terminationToken: null,
    members: [],
    managerAgent: null,
    sleeptime: null,
    continues: [],
    answers: [],
    followUps: [],
  }
}
