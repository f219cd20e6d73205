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

/** Digits in groups from five on. */
export function count(value: number, one?: string, many = `${one}s`): string {
  const text = value < 10_000 ? String(value) : String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f')
  return one === undefined ? text : `${text} ${value === 1 ? one : many}`
}

function sinceText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds >= 172_800) return `${count(Math.floor(seconds / 86_400))} days ago`
  if (seconds >= 7200) return `${Math.floor(seconds / 3600)} h ago`
  return seconds >= 120 ? `${Math.floor(seconds / 60)} min ago` : `${seconds} s ago`
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
