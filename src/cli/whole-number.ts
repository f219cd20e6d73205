import { InvalidArgumentError } from 'commander'

/** For commander: a whole number, 0 or more; anything else is wrong usage. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It takes a whole number, 0 or more.')
  return Number(text)
}

export function wholeNumbers(text: string, before: readonly number[]): number[] {
  return [...before, wholeNumber(text)]
}
