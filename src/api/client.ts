// The client of the control API: what commands and pages use.

export type ApiClientOptions = {
  readonly url: string
  readonly token: string | undefined
  /** How requests travel; default: over the network. Pages ask the API of their own process. */
  readonly send?: (request: Request) => Response | Promise<Response>
}

/** The server refused, or could not be reached: `message` is fit for a person. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number | undefined
  constructor(status: number | undefined, message: string, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

export type JobView = {
  readonly id: string
  readonly kind: string
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'canceled'
  readonly progress?: { readonly done: number; readonly total: number; readonly what: string }
  readonly result?: unknown
  readonly error?: string
}

type Query = Readonly<Record<string, string | number | undefined>>

const pollMs = 200

export class ApiClient {
  readonly #url: string
  readonly #token: string | undefined
  readonly #request: (request: Request) => Response | Promise<Response>

  constructor({ url, token, send = (request) => fetch(request) }: ApiClientOptions) {
    this.#url = url
    this.#token = token
    this.#request = send
  }

  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#send<T>('GET', withQuery(path, query))
  }

  /** What is not JSON, as it came. */
  getText(path: string, query: Query = {}): Promise<string> {
    return this.#sendText('GET', withQuery(path, query))
  }

  post<T>(path: string, body: unknown = {}, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return this.#send<T>('POST', path, body, headers)
  }

  patch<T>(path: string, body: unknown): Promise<T> {
    return this.#send<T>('PATCH', path, body)
  }

  delete(path: string): Promise<void> {
    return this.#send<void>('DELETE', path)
  }

  /** Resolves when the job is over; throws ApiError unless it is done. */
  async waitForJob(id: string, onProgress: (job: JobView) => void = () => undefined): Promise<JobView> {
    for (;;) {
      const job = await this.get<JobView>(`/api/v1/jobs/${id}`)
      onProgress(job)
      if (job.state === 'done') return job
      if (job.state === 'failed' || job.state === 'canceled')
        throw new ApiError(undefined, `job ${id} ${job.state}: ${job.error ?? 'canceled'}`)
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }

  async #send<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const text = await this.#sendText(method, path, body, headers)
    return (text === '' ? undefined : JSON.parse(text)) as T
  }

  async #sendText(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    let response: Response
    try {
      const request = new Request(`${this.#url}${path}`, {
        method,
        headers: {
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      response = await this.#request(request)
    } catch (error) {
      throw new ApiError(
        undefined,
        `no server answers at ${this.#url} (is it running? FLOTILLA_API_URL says where it is looked for)`,
        { cause: error },
      )
    }
    const text = await response.text()
    if (response.ok) return text
    throw new ApiError(response.status, detailOf(text) ?? `${method} ${path} was answered ${response.status}`)
  }
}

function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string | number] => pair[1] !== undefined)
  const text = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)])).toString()
  return text ? `${path}?${text}` : path
}

function detailOf(text: string): string | undefined {
  try {
    const { title, detail } = JSON.parse(text) as { title?: string; detail?: string }
    return detail ?? title
  } catch {
    return undefined
  }
}
