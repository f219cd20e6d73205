import { InvalidArgumentError } from 'commander'

/** For commander: a number with or without a fraction; anything else is wrong usage. */
export function decimalNumber(text: string): number {
  if (!/^-?\d{1,9}(\.\d{1,15})?$/.test(text))
    throw new InvalidArgumentError('It takes a number such as 50.0755 or -33.9.')
  return Number(text)
}
