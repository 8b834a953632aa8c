/**
 * How a page or a program gets in and out: the live address with its credential, and log-out.
 *
 * A browser on the hub's origin needs nothing, its cookie goes along. A session token never goes into an address: it
 * buys a ticket (one use, 30 s), and the ticket travels as a second subprotocol.
 */
import { HubError } from './errors.js'

async function request(fetch, url, init) {
  const response = await fetch(url, init)
  const body = await response.json().catch(() => ({}))
  if (response.ok) return body
  const { status } = response
  throw new HubError({ code: 'http_error', title: `HTTP ${status}`, retryable: status >= 500 || status === 429, ...body, status })
}

export class Door {
  /** `url`: the hub's base URL, http or https. */
  constructor({ url, app, presence, token, ticket, fetch }) {
    Object.assign(this, { base: new URL(`${url}`.replace(/\/*$/, '/')), app, presence, token, ticket, fetch })
  }

  #url(path, query = {}) {
    const url = new URL(path, this.base)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value)
    return url
  }

  async #bearer() {
    return { authorization: `Bearer ${await this.token()}` }
  }

  async #makeTicket() {
    const headers = { ...(await this.#bearer()), 'content-type': 'application/json' }
    const body = JSON.stringify({ app: this.app })
    const answer = await request(this.fetch, this.#url('v1/sessions/me/tickets'), { method: 'POST', headers, body })
    return answer.ticket
  }

  /** The address and subprotocols of the next attempt; `resume` is asked last, when the credential is there. */
  async enter(resume) {
    const ticket = this.ticket ? await this.ticket() : this.token && (await this.#makeTicket())
    const url = this.#url('v1/sessions/me/live', { ...resume(), app: this.app, presence: this.presence ? 1 : undefined })
    url.protocol = url.protocol.replace('http', 'ws')
    return { url: url.href, protocols: ticket ? ['hub.v1', `hub.ticket.${ticket}`] : ['hub.v1'] }
  }

  /** Ends the session, or all sessions of its user. A session that is over already is no error. */
  async leave(everywhere) {
    try {
      if (this.token) {
        const path = everywhere ? 'v1/users/me/sessions' : 'v1/sessions/me'
        await request(this.fetch, this.#url(path), { method: 'DELETE', headers: await this.#bearer() })
      } else {
        const url = this.#url('auth/logout', { everywhere: everywhere ? 1 : undefined })
        await request(this.fetch, url, { method: 'POST', headers: { 'x-hub-csrf': '1' }, credentials: 'include' })
      }
    } catch (error) {
      if (error.code !== 'session_ended') throw error
    }
  }
}
