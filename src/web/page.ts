import type { ApiClient } from '#api/client.ts'
import type { Html } from './format.ts'

export type Section = 'overview' | 'hosts' | 'statistics' | 'none'
export type Page = { readonly title: string; readonly section: Section; readonly body: Html }
export type PageAsk = { readonly client: ApiClient; readonly query: URLSearchParams; readonly nowMs: number }
