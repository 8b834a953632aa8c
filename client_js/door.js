/**
 * How a page gets in and out: the live address with its credential, and log-out.
 *
 * A browser on the hub's origin needs nothing, its cookie goes along. What a session token needs is in `token.js`,
 * which only programs load.
 */
import { HubError } from './errors.js'

/** Throws what a refusal says. A session that is over already is no refusal of a log-out. */
export async function demandOk(response) {
  if (response.ok) return
  const { status } = response
  const problem = { code: 'http_error', retryable: status > 428, ...(await response.json().catch(() => {})), status }
  if (problem.code !== 'session_ended') throw new HubError(problem)
}

/** `url`: the hub's base URL, http or https. Returns how to `enter(copy)` and to `leave(everywhere)`. */
export function door(options) {
  const { url: given, app, presence, token, ticket, fetch } = options
  const program = token && import('./token.js').then(({ withToken }) => withToken(options))
  const at = path => new URL(path, `${given}`.replace(/\/*$/, '/'))
  at('') // an address that is none is told at once

  return {
    /** The address and subprotocols of the next attempt; where the copy stands is asked last. */
    async enter(place) {
      const key = await (ticket ?? (await program)?.ticket)?.()
      const url = at('v1/sessions/me/live')
      for (const [name, value] of Object.entries({ ...place(), app, presence: presence && 1 })) if (value) url.searchParams.set(name, value)
      url.protocol = url.protocol.replace('http', 'ws')
      return [url.href, key ? ['hub.v1', `hub.ticket.${key}`] : ['hub.v1']]
    },

    /** Ends the session, or all sessions of its user. */
    async leave(everywhere) {
      if (token) return (await program).leave(everywhere)
      await demandOk(await fetch(at(`auth/logout${everywhere ? '?everywhere=1' : ''}`), { method: 'POST', headers: { 'x-hub-csrf': '1' }, credentials: 'include' }))
    },
  }
}
