// Numbers and times for people.

import { html } from 'hono/html'

export type Html = ReturnType<typeof html>

export function bytes(value: number): string {
  for (const [unit, size] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (value >= size) return `${(value / size).toFixed(value >= size * 100 ? 0 : 1)} ${unit}`
  }
  return `${value} B`
}

/** Digits in groups, so that large counts can be read. */
export function count(value: number, one?: string, many = `${one}s`): string {
  const text = String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f')
  return one === undefined ? text : `${text} ${value === 1 ? one : many}`
}

const steps = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const

function sinceText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  for (const [unit, size] of steps) if (seconds >= size) return `${count(Math.floor(seconds / size), unit)} ago`
  return seconds < 5 ? 'just now' : `${seconds} seconds ago`
}

export function ago(iso: string, nowMs: number): Html {
  return html`<time datetime="${iso}" title="${utc(iso)}">${sinceText(nowMs - Date.parse(iso))}</time>`
}

export function moment(iso: string): Html {
  return html`<time datetime="${iso}">${utc(iso)}</time>`
}

function utc(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}
