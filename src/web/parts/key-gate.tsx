import { useState } from 'preact/hooks'
import { locked, setKey } from '../model/key.ts'
import { readDirectory } from '../model/directory.ts'
import { Table } from './table.tsx'

/** Asks for the key that the server wants; it is kept in this tab only. */
export function KeyGate() {
  const [given, setGiven] = useState('')
  const submit = (event: Event) => {
    event.preventDefault()
    setKey(given.trim())
    void readDirectory()
  }
  return (
    <main class="gate">
      <Table cast={[]} speaking={[]} />
      <form onSubmit={submit}>
        <h1>Roundtable</h1>
        <label>
          <span>{locked.value}</span>
          <input
            type="password"
            autocomplete="current-password"
            placeholder="Key"
            value={given}
            onInput={(event) => setGiven(event.currentTarget.value)}
            autofocus
            required
          />
        </label>
        <button type="submit" class="primary">
          Come in
        </button>
        <p class="hint">It is kept in this tab and sent to this server only.</p>
      </form>
    </main>
  )
}
