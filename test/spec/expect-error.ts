import { expect } from 'bun:test'

type Answer = { readonly status: number; readonly headers: Headers; readonly text: string }

/** Status, code and the form that the spec gives errors. */
export function expectError(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(`"${code}"`)])
  expect(answer.headers.get('content-type')).toBe('application/json')
  const { errors } = JSON.parse(answer.text)
  expect(errors).toEqual([{ code, message: expect.any(String), detail: expect.any(String) }])
  expect(errors[0].detail).not.toBe('')
}
