/**
 * A certified OpenID provider for the tests: `oidc-provider` as it is, with two clients, three people and plain pages.
 *
 * `server.mjs '{"port": …, "keys": "file", "doors": ["http://127.0.0.1:…"], "backchannel": "url", "secret": "…"}'` listens
 * on localhost and says `{"issuer": …}`. From then on a line `{"do": …}` on standard input is an order, answered by one
 * line. Signing keys live in a file and outlast the process; all else is in memory. It ends when standard input does.
 */
import { randomUUID, generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

console.info = console.warn // standard output is for answers
const { Provider, errors } = await import('oidc-provider')
const { createMemoryAdapter } = await import('oidc-provider/lib/adapters/memory_adapter.js')

const settings = JSON.parse(process.argv[2])
const PEOPLE = { ada: 'Ada Lovelace', grace: 'Grace Hopper', linus: 'Linus Torvalds' }
const PASSWORD = 'a password of the tests'
const RESOURCE = 'urn:hub:sessions'

const adapter = createMemoryAdapter()
const keys = existsSync(settings.keys) ? JSON.parse(readFileSync(settings.keys)) : [newKey()]
const calls = []
let calledAt
let namesSessions = true
let provider
let answer

function newKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' }
}

function clients() {
  return [
    {
      client_id: 'hub',
      client_secret: settings.secret,
      redirect_uris: settings.doors.map(door => `${door}/auth/callback`),
      post_logout_redirect_uris: settings.doors.map(door => `${door}/auth/signed-out`),
      backchannel_logout_uri: settings.backchannel,
      backchannel_logout_session_required: namesSessions,
    },
    {
      client_id: 'native',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/back'],
    },
  ]
}

/** The first party asks nobody: whoever is signed in has agreed to what is asked for. */
async function loadExistingGrant({ oidc: { client, session, params, provider: { Grant } } }) {
  const id = session.grantIdFor(client.clientId)
  const before = id && await Grant.find(id)
  if (before) return before
  const grant = new Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope(params.scope)
  await grant.save()
  return grant
}

function account(_, id) {
  const claims = { sub: id, name: PEOPLE[id], email: `${id}@example.com` }
  return id in PEOPLE ? { accountId: id, claims: () => claims } : undefined
}

function resource(_, name) {
  if (name !== RESOURCE) throw new errors.InvalidTarget()
  return { scope: '', audience: 'hub', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }
}

/** The library refuses to call a loopback address; this is where the hub under test is. */
function call(url, options) {
  if (url !== settings.backchannel) throw new Error(`not called: ${url}`)
  const { dispatcher, ...rest } = options
  calledAt = Date.now() / 1000
  return fetch(url, rest)
}

/** The provider anew, as it is configured now. Sessions, grants and codes stay. */
function build() {
  writeFileSync(settings.keys, JSON.stringify(keys), { mode: 0o600 })
  provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    clients: clients(),
    cookies: { keys: ['a secret of the tests'] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    pkce: { required: () => true },
    findAccount: account,
    loadExistingGrant,
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    renderError: (ctx, said) => { ctx.body = page('Refused', `<pre>${JSON.stringify(said)}</pre>`) },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resource, useGrantedResource: () => true },
      rpInitiatedLogout: { enabled: true, logoutSource: askToSignOut, postLogoutSuccessSource: signedOut },
    },
    ttl: { Session: 3600, Grant: 3600, Interaction: 600, IdToken: 3600, AccessToken: 300, AuthorizationCode: 60 },
    fetch: call,
  })
  provider.on('backchannel.success', (_, client, sub, sid) => calls.push({ at: calledAt, sub, sid, ok: true }))
  provider.on('backchannel.error', (_, error) => calls.push({ at: calledAt, ok: false, why: error.message }))
  provider.on('server_error', (_, error) => console.error(error))
  answer = provider.callback()
}

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${title}</title><style>body { font: 1rem system-ui; max-width: 24rem; margin: 4rem auto; padding: 0 1rem }
input, button { font: inherit; display: block; margin: .5rem 0; padding: .4rem .8rem }</style><h1>${title}</h1>${body}`

function askToSignOut(ctx, form) {
  ctx.body = page('Sign out here?', `${form}<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>
<button form="op.logoutForm">No, stay signed in</button>`)
}

function signedOut(ctx) {
  ctx.body = page('Signed out', '<p>You are signed out at the provider.</p>')
}

function askWhoItIs(response, path, status = 200) {
  response.writeHead(status, { 'content-type': 'text/html', 'cache-control': 'no-store' })
  response.end(page('Sign in', `<form method="post" action="${path}">
<label>Name <input name="login" autocomplete="off"></label>
<label>Password <input name="password" type="password" autocomplete="off"></label><button>Sign in</button></form>`))
}

/** The log-in page, and what is typed into it. Native clients have to ask for consent each time; they get it. */
async function interact(request, response) {
  const { prompt } = await provider.interactionDetails(request, response)
  const finish = result => provider.interactionFinished(request, response, result)
  if (prompt.name === 'consent') return finish({ consent: {} })
  if (request.method !== 'POST') return askWhoItIs(response, request.url)
  const said = new URLSearchParams(await text(request))
  const login = said.get('login')
  if (!(login in PEOPLE) || said.get('password') !== PASSWORD) return askWhoItIs(response, request.url, 401)
  return finish({ login: { accountId: login } })
}

const ORDERS = {
  /** Sign with a new key from now on; the ones before stay listed. */
  rotate: () => { keys.unshift(newKey()); build() },
  /** List the newest key only. */
  drop_old_keys: () => { keys.length = 1; build() },
  /** Whether logout tokens (and ID tokens) say which session they are about. */
  name_sessions: ({ value }) => { namesSessions = value; build() },
  /** The back-channel calls that were made, in their order. */
  calls: () => {},
}

const server = createServer((request, response) => {
  const handled = request.url.startsWith('/interaction/') ? interact(request, response) : answer(request, response)
  handled.catch(error => {
    console.error(error)
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
})
await new Promise((resolve, reject) => server.once('error', reject).listen(settings.port, 'localhost', resolve))
const issuer = `http://localhost:${server.address().port}`
build()
const say = said => process.stdout.write(`${JSON.stringify(said)}\n`)
say({ issuer })

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  ORDERS[order.do](order)
  say({ kids: keys.map(({ kid }) => kid), calls })
}
process.exit(0)
