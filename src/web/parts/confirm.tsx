import { useState } from 'preact/hooks'
import { wordsFor } from '../model/api.ts'
import { Dialog } from './dialog.tsx'

export interface ConfirmProps {
  title: string
  text: string
  action: string
  act: () => Promise<void>
  close: () => void
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, text, action, act, close }: ConfirmProps) {
  const [failure, setFailure] = useState<string>()
  const submit = async (event: Event) => {
    event.preventDefault()
    try {
      await act()
      close()
    } catch (error) {
      setFailure(wordsFor(error))
    }
  }
  return (
    <Dialog title={title} close={close} narrow>
      <form onSubmit={(event) => void submit(event)}>
        <p>{text}</p>
        {failure && (
          <p class="wrong" role="alert">
            {failure}
          </p>
        )}
        <footer>
          <button type="button" onClick={close}>
            Keep it
          </button>
          <button type="submit" class="danger">
            {action}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
