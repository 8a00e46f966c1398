import { useState } from 'preact/hooks'
import { wordsFor } from '../model/api.ts'
import { Dialog } from './dialog.tsx'
import { FormEnd } from './form-end.tsx'

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
        <FormEnd action={action} close={close} failure={failure} keep="Keep it" danger />
      </form>
    </Dialog>
  )
}
