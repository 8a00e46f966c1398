interface FormEndProps {
  action: string
  close: () => void
  /** What went wrong: it is seen wherever the form is scrolled to. */
  failure: string | undefined
  keep?: string
  disabled?: boolean
  danger?: boolean
}

/** The last line of a dialog's form. */
export function FormEnd({ action, close, failure, keep = 'Cancel', disabled = false, danger = false }: FormEndProps) {
  return (
    <footer>
      {failure && (
        <p class="wrong" role="alert">
          {failure}
        </p>
      )}
      <button type="button" onClick={close}>
        {keep}
      </button>
      <button type="submit" class={danger ? 'danger' : 'primary'} disabled={disabled}>
        {action}
      </button>
    </footer>
  )
}
