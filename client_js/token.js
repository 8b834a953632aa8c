/**
 * The door for a program, which has a session token. The token never goes into an address: it buys a ticket (one use,
 * 30 s), and the ticket travels as a second subprotocol.
 */
import { demandOk } from './door.js'
import { HubError } from './errors.js'

export function withToken({ url, token, app, fetch }) {
  const ask = async (method, path, body) => {
    const headers = { authorization: `Bearer ${await token()}`, ...(body && { 'content-type': 'application/json' }) }
    return fetch(new URL(path, `${url}`.replace(/\/*$/, '/')), { method, headers, body })
  }

  return {
    /** A ticket for one connection. A refusal that no repetition mends carries the close code that stands for it. */
    async ticket() {
      const response = await ask('POST', 'v1/sessions/me/tickets', JSON.stringify({ app }))
      const { ok, status } = response
      const body = await response.json().catch(() => ({}))
      if (ok) return body.ticket
      const closeCode = { 401: body.code === 'session_ended' ? 4500 : 4501, 403: 4503 }[status]
      throw Object.assign(new HubError({ code: 'http_error', retryable: status > 428, ...body, status }), { closeCode })
    },

    /** Ends the session, or all sessions of its user. */
    leave: async everywhere => demandOk(await ask('DELETE', everywhere ? 'v1/users/me/sessions' : 'v1/sessions/me')),
  }
}
