import type { Conversation } from '../model/conversation.ts'
import { type Seat, Table } from './table.tsx'

const ideas = ['Where shall we go for a weekend?', 'What should we cook for eight people?', 'Plan a birthday in the rain.']

/** Before the first word. */
export function Welcome({ seats, conversation }: { seats: Seat[]; conversation: Conversation }) {
  return (
    <div class="welcome">
      <Table cast={seats} speaking={[]} named />
      <p>Nobody has spoken yet. Say something, or begin with one of these.</p>
      <ul>
        {ideas.map((idea) => (
          <li key={idea}>
            <button type="button" onClick={() => void conversation.say(idea, 'enqueue')}>
              {idea}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
