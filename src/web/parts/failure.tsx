import type { ErrorMessage } from '../../wire/message.ts'
import './note.css'

/** Why a run failed, and what can be done. */
export function Failure({ error }: { error: ErrorMessage }) {
  return (
    <div class="failure" role="alert">
      <strong>It did not come to its end.</strong> {error.message}
      <p>{adviceFor(error.error_type)}</p>
    </div>
  )
}

function adviceFor(type: string): string {
  if (/auth|permission/.test(type)) return 'Look at the API key of this provider in the settings of the server.'
  if (/rate_limit|quota|credits/.test(type)) return 'The provider wants a pause, or a larger budget. Send again in a while.'
  if (/timeout/.test(type)) return 'The model took too long. Send again, or give the agent a faster model.'
  if (/context/.test(type)) return 'The conversation is too long for this model. Choose one that reads more, or begin anew.'
  if (/not_found/.test(type)) return 'The provider does not know this model. Edit the agent and choose another.'
  if (/storage/.test(type)) return 'The disk of the server takes no more. When it does, send again.'
  if (/llm|connection/.test(type))
    return 'The model’s provider failed. Send again; if that does not help, look at the log of the server.'
  return 'What was said until then is kept. Send again to go on.'
}
