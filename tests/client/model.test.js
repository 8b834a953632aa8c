/**
 * Random schedules of three tabs against a model of the hub: messages in any interleaving, twice, on wires that break;
 * commits whose answers are lost; commits by others; snapshots in the middle; stores that forget.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectSession } from '../../client_js/index.js'
import { FakeClock, settled } from './support/fakes.js'
import { ModelHub } from './support/hub.js'
import { randomFrom, seeded } from './support/random.js'
import { canonical } from './support/vectors.js'

const SCHEDULES = 3000
const STEPS = 60
const START = { a: { count: 0 }, log: [] }

class Tab {
  settled = new Map() // id → committed or error
  own = 0

  constructor(world, name) {
    Object.assign(this, { world, name })
    this.Socket = world.hub.socketClass()
    const { clock } = world
    const random = () => world.random()
    this.session = connectSession({ url: 'http://hub.test', WebSocket: this.#track(), clock, random, retry: { minMs: 10, maxMs: 10 } })
    this.session.on('change', change => world.onChange(this, change))
  }

  #track() {
    const tab = this
    return class extends this.Socket {
      constructor(...args) {
        super(...args)
        tab.wire = this
      }
    }
  }

  get connected() { return this.wire?.open }

  commit(kind) {
    const id = `${this.name}-${String(++this.own).padStart(16, '0')}`
    const options = { id, queueMs: Infinity }
    const done = {
      mark: () => this.session.patch({ a: { [id]: true } }, options),
      append: () => this.session.apply([{ op: 'add', path: '/log/-', value: id }], options),
      count: () => this.session.update(draft => { draft.a.count++ }, options),
      nothing: () => this.session.patch({ a: { 'not there': null } }, options),
      refused: () => this.session.patch({ refused: { x: 1 } }, options),
    }[kind]()
    this.world.kinds.set(id, kind)
    done.then(committed => this.settled.set(id, committed), error => this.settled.set(id, error))
  }
}

class World {
  kinds = new Map()

  constructor(seed, { forks }) {
    Object.assign(this, { seed, forks, random: seeded(seed), clock: new FakeClock(), hub: new ModelHub(START) })
    this.tabs = ['a', 'b', 'c'].map(name => new Tab(this, name))
  }

  fail(text) { assert.fail(`seed ${this.seed}: ${text}`) }

  /** A commit leaves the pending list exactly when its change arrives: afterwards it is gone. */
  onChange(tab, { commit }) {
    if (commit && tab.session.inspect().pending.some(({ id }) => id === commit)) this.fail(`${commit} is pending though its change is here`)
  }

  step() {
    const { hub, random } = this
    const tab = randomFrom(random, this.tabs)
    const dice = random()
    if (dice < 0.3) this.deliver(tab)
    else if (dice < 0.55) this.hear(tab)
    else if (dice < 0.75) tab.commit(randomFrom(random, ['mark', 'mark', 'append', 'count', 'nothing', 'refused']))
    else if (dice < 0.83) hub.commit([{ op: 'add', path: `/a/k${Math.floor(random() * 3)}`, value: Math.floor(random() * 9) }])
    else if (dice < 0.88 && tab.connected) tab.wire.break()
    else if (dice < 0.91 && tab.connected && tab.wire.toTab.length) this.repeat(tab)
    else if (dice < 0.94 && tab.connected && tab.wire.synced) hub.collapse(tab.wire)
    else if (dice < 0.96) hub.oldest = hub.history.length + 1
    else if (dice < 0.98 && this.forks && hub.history.length > 3) this.fork()
    else this.clock.advance(10)
    this.check()
  }

  fork() {
    const lost = 1 + Math.floor(this.random() * 2)
    const plain = new ModelHub(START)
    for (const { ops } of this.hub.history.slice(0, -lost)) plain.commit(ops)
    this.hub.fork(lost, plain.document)
  }

  repeat(tab) {
    const { toTab } = tab.wire
    const at = Math.floor(this.random() * toTab.length)
    if (toTab[at].type === 'change') toTab.splice(at + 1, 0, toTab[at])
  }

  deliver(tab) {
    if (!tab.connected || !tab.wire.toTab.length) return
    tab.wire.onmessage({ data: JSON.stringify(tab.wire.toTab.shift()) })
  }

  hear(tab) {
    if (tab.connected && tab.wire.toHub.length) this.hub.hear(tab.wire)
  }

  /** What a tab has committed it shows from then on, without a gap (but where a snapshot raised a doubt), and once. */
  check() {
    for (const { session, name } of this.tabs) {
      const { pending } = session.inspect()
      if (session.pending.get() !== pending.length) this.fail('the count of pending commits is another')
      if (!session.get()) continue
      for (const [id, kind] of this.kinds) {
        if (!id.startsWith(`${name}-`) || !['mark', 'append'].includes(kind)) continue
        const shown = kind === 'mark' ? Number(session.get().a[id] === true) : session.get().log.filter(entry => entry === id).length
        const held = pending.some(entry => entry.id === id && entry.held)
        if (shown > 1) this.fail(`${id} is shown twice`)
        if (!shown && !held && !this.forks) this.fail(`${id} flickers`)
      }
    }
  }

  /** Everything that lies about is delivered and every tab comes back. */
  async finish() {
    for (let round = 0; round < 200; round++) {
      await settled()
      const busy = this.tabs.filter(tab => tab.connected && (tab.wire.toHub.length || tab.wire.toTab.length))
      if (!busy.length && this.tabs.every(({ session }) => session.status.get().name === 'live' && !session.pending.get())) return
      for (const tab of busy) {
        while (tab.connected && tab.wire.toHub.length) this.hub.hear(tab.wire)
        while (tab.connected && tab.wire.toTab.length) this.deliver(tab)
      }
      this.clock.advance(10)
    }
    this.fail(`no rest: ${this.tabs.map(({ session }) => JSON.stringify([session.status.get(), session.inspect().pending]))}`)
  }

  judge() {
    const { hub, tabs, kinds } = this
    for (const { session } of tabs) {
      assert.equal(canonical(session.get()), canonical(hub.document), `seed ${this.seed}: a copy differs`)
      assert.equal(session.position.get(), hub.position)
    }
    const outcomes = new Map(tabs.flatMap(tab => [...tab.settled]))
    let counts = 0
    for (const [id, kind] of kinds) {
      const came = outcomes.get(id)
      if (!came) this.fail(`${id} never settled`)
      if (kind === 'count') counts++
      if (kind === 'refused' && came.code !== 'schema_violation') this.fail(`${id} was to be refused`)
      if (kind === 'nothing' && came.changed !== false) this.fail(`${id} changed something`)
      const times = kind === 'mark' ? Number(hub.document.a[id] === true) : hub.document.log.filter(entry => entry === id).length
      if (['mark', 'append'].includes(kind) && (this.forks ? times > 1 : times !== 1)) this.fail(`${id} is there ${times} times`)
    }
    if (!this.forks && hub.document.a.count !== counts) this.fail(`${counts} counts came to ${hub.document.a.count}`)
  }
}

async function run(seed, options) {
  const world = new World(seed, options)
  for (let step = 0; step < STEPS; step++) {
    world.step()
    await settled()
  }
  await world.finish()
  world.judge()
  for (const { session } of world.tabs) session.close()
}

test(`${SCHEDULES / 3} schedules with a store that loses acknowledged commits: copies converge, nothing hangs or doubles`, async () => {
  for (let seed = 1; seed <= SCHEDULES / 3; seed++) await run(seed, { forks: true })
})

test(`${SCHEDULES} schedules: copies converge, commits count once and settle, nothing accepted flickers`, async () => {
  for (let seed = 1; seed <= SCHEDULES; seed++) await run(seed, { forks: false })
})
