/** Svelte and nanostores take a session as it is: no adapter. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { atom, computed, onMount } from 'nanostores'
import { compile } from 'svelte/compiler'
import { derived, get, readonly } from 'svelte/store'
import { change } from './support/fakes.js'
import { opened, P } from './support/open.js'
import { page } from './support/page.js'

const { drop } = page()
after(drop)
const replace = (path, value) => ({ op: 'replace', path, value })

test('svelte/store reads, derives from and wraps the session and its parts', async () => {
  const { session, last } = await opened({ a: { n: 1 }, b: 1 })
  const twice = derived(session.section('a'), a => (a?.n ?? 0) * 2)
  const both = derived([session, session.status], ([document, { name }]) => `${document?.b} ${name}`)
  const seen = []
  const stops = [twice.subscribe(value => seen.push(value)), both.subscribe(value => seen.push(value)), readonly(session.mode).subscribe(() => {})]
  assert.deepEqual([get(session), get(session.pending)], [{ a: { n: 1 }, b: 1 }, 0])
  last().say(change(P[1], P[2], [replace('/a/n', 2)]))
  last().end()
  assert.deepEqual(seen, [2, '1 live', 4, '1 waiting'])
  for (const stop of stops) stop()
  last().say(change(P[2], P[3], [replace('/a/n', 3)]))
  assert.equal(seen.length, 4)
})

test('a Svelte component writes $profile.name', async t => {
  const source = `<script>
    let { session } = $props()
    const profile = session.section('profile')
    const { status } = session
  </script>
  <p class={$status.name}>Hello {$profile?.name ?? 'nobody'}</p>`
  const { js } = compile(source, { generate: 'client', name: 'Hello', dev: false })
  const code = js.code.replace(/(from\s+|import\s+)'(svelte[^']*)'/g, (_, word, name) => `${word}'${import.meta.resolve(name).replace('index-server', 'index-client')}'`)
  const { default: Hello } = await import(`data:text/javascript,${encodeURIComponent(code)}`)
  const { flushSync, mount, unmount } = await import(import.meta.resolve('svelte').replace('index-server', 'index-client'))
  const { session, last } = await opened({ profile: { name: 'Ada' } })
  const target = document.createElement('main')
  const component = mount(Hello, { target, props: { session } })
  t.after(() => unmount(component))
  flushSync()
  assert.equal(target.innerHTML.replace(/<!--.*?-->/g, ''), '<p class="live">Hello Ada</p>')
  last().say(change(P[1], P[2], [replace('/profile/name', 'Grace')]))
  flushSync()
  assert.equal(target.textContent, 'Hello Grace')
  last().say({ type: 'ended', reason: 'revoked' })
  flushSync()
  assert.equal(target.innerHTML.replace(/<!--.*?-->/g, ''), '<p class="ended">Hello nobody</p>')
})

test('nanostores: an atom follows a session while somebody follows the atom', async () => {
  const { session, last } = await opened({ cart: { items: [1] } })
  const $cart = atom(session.section('cart').get())
  onMount($cart, () => session.section('cart').subscribe(cart => $cart.set(cart)))
  const $count = computed($cart, cart => cart?.items.length ?? 0)
  const seen = []
  const stop = $count.subscribe(count => seen.push(count))
  last().say(change(P[1], P[2], [{ op: 'add', path: '/cart/items/-', value: 2 }]))
  assert.deepEqual(seen, [1, 2])
  stop()
})

test('every readable keeps the contract of both: get, subscribe that calls at once, listen that does not, one stop', async () => {
  const { session } = await opened({ a: 1 })
  for (const readable of [session, session.section('a'), session.select(document => document.a), session.status, session.mode, session.position, session.pending, session.presence]) {
    const told = []
    const stops = [readable.subscribe(value => told.push(value)), readable.listen(value => told.push(value))]
    assert.deepEqual(told, [readable.get()])
    assert.equal(readable.get(), readable.get())
    for (const stop of stops) {
      assert.equal(typeof stop, 'function')
      stop()
      stop()
    }
  }
})
