import { expect } from 'bun:test'

type Answer = { readonly status: number; readonly headers: Headers; readonly text: string }

/** Status, code and the form that the spec gives errors. */
export function expectError(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(`"${code}"`)])
  expect(answer.headers.get('content-type')).toBe('application/json')
  // RFC 9110: a 405 must tell what is allowed, a 401 how to log in.
  if (status === 405) expect(answer.headers.get('allow')).toMatch(/^[A-Z]+(, [A-Z]+)*$/)
  if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^(Bearer|Basic) realm="/)
  const { errors } = JSON.parse(answer.text)
  expect(errors).toEqual([{ code, message: expect.any(String), detail: expect.any(String) }])
  expect(errors[0].detail).not.toBe('')
}
