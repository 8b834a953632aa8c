/** Held against `client_js/types.d.ts` by `tsc --noEmit`: what must be accepted, and (marked) what must not. */
import { connectSession, HubError, type Committed, type Op, type Readable, type Session } from '../../client_js/types.js'

interface Documents {
  profile: { name: string; nick?: string; tags: string[] }
  cart: { items: { id: string; count: number }[] }
}

const session: Session<Documents> = connectSession<Documents>({
  url: 'https://hub.example', app: 'shop', presence: true, token: async () => 'hub_st_x', retry: { minMs: 100 },
  initial: { document: { profile: { name: '', tags: [] }, cart: { items: [] } }, position: '1.00000000', view: '00000000' },
  signal: new AbortController().signal, WebSocket, fetch,
})

const stop: () => void = session.subscribe(document => document?.profile.name.trim())
stop()
const profile = session.section('profile')
profile.subscribe(value => value?.nick?.trim())
const count: Readable<number> = session.select(document => document?.cart.items.length ?? 0)
const ops: Op[] = [{ op: 'test', path: '/a', value: 1 }, { op: 'move', from: '/a', path: '/b' }]

export async function use(): Promise<Committed> {
  await session.patch({ profile: { name: 'Ada', nick: null } })
  await session.patch({ cart: { items: [{ id: 'x', count: 1 }] } }, { id: 'x'.repeat(16), ifPosition: session.position.get(), queueMs: 0 })
  await session.apply(ops)
  await profile.patch({ tags: ['x'] })
  await profile.replace({ name: 'Ada', tags: [] })
  session.on('ended', ({ reason }) => reason?.trim())
  session.on('conflict', ({ error, id }) => [error.code, id], { signal: AbortSignal.timeout(1) })
  const document: Documents = await session.until(({ cart }) => cart.items.length > count.get(), { timeoutMs: 10 })
  document.profile.tags.push('mine')
  if (session.status.get().name === 'waiting') session.status.get().retryAt?.toFixed()
  await session.logout({ everywhere: true })
  return session.update(draft => {
    draft.cart ??= { items: [] }
    draft.cart.items.push({ id: 'y', count: 1 })
  })
}

export const isGone = (error: unknown): boolean => error instanceof HubError && error.retryable && error.problem.code === 'offline'

// @ts-expect-error no such section
session.section('profil')
// @ts-expect-error a name is text
session.patch({ profile: { name: 7 } })
// @ts-expect-error arrays are replaced whole
session.patch({ cart: { items: { 0: null } } })
// @ts-expect-error no such event
session.on('end', () => {})
// @ts-expect-error a status is read, not made
session.status.get().name = 'live'

const loose = connectSession()
loose.section('anything').patch({ goes: [1, null] })
