import { type BuiltinTool, stringArg } from './tool.ts'

/** How older agent types speak: what they pass is said to the user and, in a group, to the others (design §5 row 1). */
export const sendMessage: BuiltinTool = {
  name: 'send_message',
  type: 'letta_core',
  description: 'Says something to the user, and to the others in the conversation.',
  parameters: {
    type: 'object',
    properties: { message: { type: 'string', description: 'What to say.' } },
    required: ['message'],
  },
  async run(args) {
    stringArg(args, 'message')
    return 'Sent message successfully.'
  },
}
