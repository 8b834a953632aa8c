// Check the hub's context token (header X-Hub-Session). Copy this file into an app; it needs nothing but Node >= 20.

const KEPT_MS = 600_000
const LEEWAY_SECONDS = 5

export class NotFromTheHub extends Error {}          // missing, forged, too old, or for another app: answer 401

/** Made once per app: `hub` is the hub's public URL, `app` this app's name in its configuration. */
export function hubSession(hub, app, jwksUrl = `${hub}/.well-known/jwks.json`) {
  let keys = new Map()
  let readAt = -Infinity

  async function keyOf(kid) {
    const age = performance.now() - readAt
    if (age > KEPT_MS || (!keys.has(kid) && age > 1000)) {
      const answer = await fetch(jwksUrl, { signal: AbortSignal.timeout(5000) })
      if (!answer.ok) throw new Error(`the hub's keys cannot be had: ${answer.status}`)
      const made = (await answer.json()).keys.map(async jwk => [jwk.kid, await crypto.subtle.importKey(
        'jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify'])])
      keys = new Map(await Promise.all(made))
      readAt = performance.now()
    }
    return keys.get(kid)
  }

  /** The claims: sub, sid, pos, grants, maybe document. Rejects with NotFromTheHub. */
  return async function check(token) {
    const [header, payload, signature, ...more] = String(token ?? '').split('.')
    const said = parse(header)
    if (more.length || said.alg !== 'ES256' || said.typ !== 'hub-session+jwt' || 'crit' in said) {
      throw new NotFromTheHub('not a context token')
    }
    const key = await keyOf(said.kid)
    const signed = new TextEncoder().encode(`${header}.${payload}`)
    const proof = Buffer.from(signature ?? '', 'base64url')
    if (!key || !await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, proof, signed)) {
      throw new NotFromTheHub('not signed by the hub')
    }
    const claims = parse(payload)
    if (claims.iss !== hub || claims.aud !== app) throw new NotFromTheHub('for another app, or of another hub')
    if (!(claims.exp + LEEWAY_SECONDS >= Date.now() / 1000)) throw new NotFromTheHub('too old')
    return claims
  }
}

function parse(segment) {
  try {
    const value = JSON.parse(Buffer.from(segment ?? '', 'base64url').toString('utf8'))
    if (value && typeof value === 'object') return value
  } catch { /* told below */ }
  throw new NotFromTheHub('not a context token')
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file:').href) { // node hub-session.mjs HUB APP < token
  let token = ''
  for await (const part of process.stdin) token += part
  try {
    console.log(JSON.stringify(await hubSession(...process.argv.slice(2, 5))(token.trim())))
  } catch (refusal) {
    console.error(`refused: ${refusal.message}`)
    process.exitCode = 1
  }
}
