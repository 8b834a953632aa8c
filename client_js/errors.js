/** What can go wrong, as the hub says it (RFC 9457) or as the client has to say it itself. */

export class HubError extends Error {
  name = 'HubError'
  status = 0
  retryable = false

  /** @param {{ code: string, status?: number, title?: string, detail?: string, retryable?: boolean }} problem */
  constructor(problem) {
    super(problem.detail ?? problem.title ?? problem.code)
    Object.assign(this, problem, { problem })
  }
}
