import { html } from 'hono/html'
import type { Page } from './page.ts'

export type Trouble = 'missing' | 'malformed' | 'unavailable'

const words = {
  missing: {
    title: 'Nothing here',
    text: 'There is no page at this address. A repository that is not in a public channel has none either.',
  },
  malformed: { title: 'This address does not work', text: 'Something in it is too long or not in the right form.' },
  unavailable: {
    title: 'Not available just now',
    text: 'The server could not put this page together. Try again soon.',
  },
} as const

/** What was asked for is not repeated: it may be anything. */
export function troublePage(trouble: Trouble): Page {
  const { title, text } = words[trouble]
  return {
    title,
    section: 'none',
    body: html`<h1>${title}</h1>
      <p class="lead">${text}</p>
      <p><a href="/">All repositories and hosts</a></p>`,
  }
}
