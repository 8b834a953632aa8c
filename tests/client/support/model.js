/**
 * Random schedules of three tabs against a model of the hub: messages in any interleaving, twice, or never, on wires that
 * break; commits whose answers are lost; commits by others; snapshots in the middle; stores that forget.
 *
 * Run as `node model.js FIRST LAST [forks]` it runs those seeds and says as JSON how much happened; the first schedule
 * that breaks a promise ends it with 1. `CLIENT` is the address of another client to be run.
 */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { FakeClock } from './fakes.js'
import { ModelHub } from './hub.js'
import { randomFrom, seeded } from './random.js'
import { canonical } from './vectors.js'

const { connectSession } = await import(process.env.CLIENT ?? '../../../client_js/index.js')
const STEPS = 60
/** Enough for every promise that is ready; there are no real timers and no disk here. */
async function settled() {
  for (let i = 0; i < 12; i++) await undefined
}
const START = { a: { count: 0 }, log: [], typed: {} }

class Tab {
  settled = new Map() // id → committed or error
  own = 0
  shownOnce = new Set()

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
    if (kind === 'type') this.typed = this.own
    const done = {
      mark: () => this.session.patch({ a: { [id]: true } }, options),
      type: () => this.session.patch({ typed: { [this.name]: this.own } }, { queueMs: Infinity }),
      append: () => this.session.apply([{ op: 'add', path: '/log/-', value: id }], options),
      count: () => this.session.update(draft => { draft.a.count++ }, options),
      nothing: () => this.session.patch({ a: { 'not there': null } }, options),
      refused: () => this.session.patch({ refused: { x: 1 } }, options),
    }[kind]()
    this.world.kinds.set(id, kind)
    this.world.figures.commits++
    done.then(committed => this.onSettled(id, committed), error => this.settled.set(id, error))
  }

  /** A promise is kept when the document of this copy contains it, not before. */
  onSettled(id, committed) {
    this.settled.set(id, committed)
    const copy = this.session.position.get()
    if (copy && !this.world.forks && parseInt(copy) < parseInt(committed.position)) this.world.fail(`${id} resolved at ${copy}, before ${committed.position}`)
  }
}

class World {
  kinds = new Map()

  constructor(seed, { forks, figures }) {
    Object.assign(this, { seed, forks, figures, random: seeded(seed), clock: new FakeClock(), hub: new ModelHub(START) })
    this.tabs = ['a', 'b', 'c'].map(name => new Tab(this, name))
  }

  fail(text) { assert.fail(`seed ${this.seed}: ${text}`) }

  /** A commit leaves the pending list exactly when its change arrives, but where something before it is in doubt. */
  onChange(tab, { commit }) {
    const { pending } = tab.session.inspect()
    if (pending.some(({ held }) => held)) return
    if (commit && pending.some(({ id }) => id === commit)) this.fail(`${commit} is pending though its change is here`)
  }

  step() {
    const { hub, random } = this
    const tab = randomFrom(random, this.tabs)
    const dice = random()
    if (dice < 0.3) this.deliver(tab)
    else if (dice < 0.55) this.hear(tab)
    else if (dice < 0.75) tab.commit(randomFrom(random, ['mark', 'mark', 'append', 'count', 'type', 'type', 'nothing', 'refused']))
    else if (dice < 0.83) hub.commit([{ op: 'add', path: `/a/k${Math.floor(random() * 3)}`, value: Math.floor(random() * 9) }])
    else if (dice < 0.87 && tab.connected) this.figures.breaks += Number(tab.wire.break() ?? 1)
    else if (dice < 0.89 && tab.connected && tab.wire.toTab.length) this.repeat(tab)
    else if (dice < 0.91 && tab.connected && tab.wire.toTab.length) this.lose(tab)
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
    if (toTab[at].type !== 'change') return
    toTab.splice(at + 1, 0, toTab[at])
    this.figures.repeated++
  }

  /** The feed lost a change: nothing else is missing, and only the next position tells. */
  lose(tab) {
    const { toTab } = tab.wire
    const at = Math.floor(this.random() * toTab.length)
    if (toTab[at].type !== 'change') return
    toTab.splice(at, 1)
    this.figures.lost++
    if (!toTab.slice(at).some(({ type }) => type === 'change')) toTab.push({ type: 'heartbeat', position: this.hub.position })
  }

  deliver(tab) {
    if (!tab.connected || !tab.wire.toTab.length) return
    tab.wire.onmessage({ data: JSON.stringify(tab.wire.toTab.shift()) })
  }

  hear(tab) {
    if (tab.connected && tab.wire.toHub.length) this.hub.hear(tab.wire)
  }

  /** What a tab has committed it shows from then on, without a gap, and once; nothing is kept that its copy contains. */
  check() {
    for (const tab of this.tabs) {
      const { session, name } = tab
      const { pending } = session.inspect()
      if (session.pending.get() !== pending.length) this.fail('the count of pending commits is another')
      const document = session.get()
      if (!document) continue
      if (!pending.some(({ held }) => held)) {
        const late = pending.find(({ state, at }) => state === 'committed' && parseInt(at) <= parseInt(session.position.get()))
        if (late) this.fail(`${late.id} is kept late`)
      }
      for (const [id, kind] of this.kinds) if (id.startsWith(`${name}-`)) this.checkShown(tab, document, id, kind)
      if (!this.forks && tab.typed && document.typed[name] !== tab.typed) this.fail(`what ${name} typed last is ${tab.typed}, shown is ${document.typed[name]}`)
    }
  }

  checkShown(tab, document, id, kind) {
    if (kind !== 'mark' && kind !== 'append') return
    const times = kind === 'mark' ? Number(document.a[id] === true) : document.log.filter(entry => entry === id).length
    if (times > 1) this.fail(`${id} is shown twice`)
    if (!times && !this.forks) this.fail(`${id} flickers`)
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

/** Runs one schedule; throws what it found. */
export async function run(seed, options) {
  const world = new World(seed, options)
  for (let step = 0; step < STEPS; step++) {
    world.step()
    await settled()
  }
  await world.finish()
  world.judge()
  options.figures.changes += world.hub.history.length
  for (const { session } of world.tabs) session.close()
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [first, last, forks] = process.argv.slice(2)
  const figures = { schedules: 0, commits: 0, changes: 0, breaks: 0, repeated: 0, lost: 0 }
  for (let seed = Number(first); seed <= Number(last); seed++, figures.schedules++) await run(seed, { forks: forks === 'forks', figures })
  console.log(JSON.stringify(figures))
}
