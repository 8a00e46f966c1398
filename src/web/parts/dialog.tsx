import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Close } from './icons.tsx'
import './dialog.css'

export interface DialogProps {
  title: string
  close: () => void
  children: ComponentChildren
  narrow?: boolean
}

/** The browser's own modal dialog: it keeps the focus, and Escape closes it. */
export function Dialog({ title, close, children, narrow = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const dialog = element.current!
    dialog.showModal()
    return () => dialog.close()
  }, [])
  return (
    <dialog
      ref={element}
      class={narrow ? 'dialog narrow' : 'dialog'}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault()
        close()
      }}
    >
      <header>
        <h2>{title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={close}>
          <Close />
        </button>
      </header>
      {children}
    </dialog>
  )
}
