import { ToolError, type ToolOutput } from '../tools/tool.ts'

/** How a tool did when a client ran it: that it failed is an answer, too. */
export interface Tried {
  status: 'success' | 'error'
  text: string
  stdout: string[]
  stderr: string[]
}

export async function tried(running: Promise<ToolOutput>): Promise<Tried> {
  try {
    const { text, stdout = [], stderr = [] } = await running
    return { status: 'success', text, stdout, stderr }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return { status: 'error', text: error.message, stdout: error.stdout, stderr: error.stderr }
  }
}
