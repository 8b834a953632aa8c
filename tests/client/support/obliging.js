/** A WebSocket that is a hub by itself: it opens with a snapshot and grants every commit. */
import { applyOps, diff, merge } from '../../../client_js/patch.js'

export class ObligingSocket {
  revision = 1
  document = { profile: { name: 'Grace', nick: 'G' }, cart: { items: [] } }

  constructor() {
    setImmediate(() => {
      const { position, document } = this
      this.#say({ type: 'snapshot', position, view: '00000000', reason: 'new', session: { sid: 's1' }, document }, { type: 'live', position, view: '00000000' })
    })
  }

  get position() { return `${this.revision}.${String(this.revision).padStart(8, '0')}` }

  send(text) {
    const { type, id, patch, ops } = JSON.parse(text)
    if (type === 'commit') setImmediate(() => this.#commit(id, patch, ops))
  }

  #commit(id, patch, ops) {
    const { position: base, document } = this
    this.document = patch ? merge(document, patch) : applyOps(document, ops)
    this.revision++
    this.#say({ type: 'change', base, position: this.position, ops: diff(document, this.document), commit: id })
    this.#say({ type: 'committed', id, position: this.position, changed: true })
  }

  #say(...messages) {
    for (const message of messages) if (!this.closed) this.onmessage({ data: JSON.stringify(message) })
  }

  close() { this.closed = true }
}
