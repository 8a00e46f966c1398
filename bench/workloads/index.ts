import { beside } from './beside.ts'
import { burst } from './burst.ts'
import { capacity } from './capacity.ts'
import { catchUp } from './catch-up.ts'
import { fanOut } from './fan-out.ts'
import { flat } from './flat.ts'
import { idle } from './idle.ts'
import { kill } from './kill.ts'
import { anthropic, realistic } from './realistic.ts'
import { start } from './start.ts'
import type { Workload } from './workload.ts'

/** A workload is a file here and a line in this list. */
export const workloads: Workload[] = [realistic, anthropic, capacity, burst, fanOut, catchUp, idle, start, flat, kill, beside]
