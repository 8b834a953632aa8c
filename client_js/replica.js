/**
 * What a copy of a session does with the next message it hears.
 *
 * Pure. `core/judge` in the hub is the same machine; both pass `tests/vectors/{judge,replica}.json`. A copy applies
 * a change only where it stands exactly at the change's base; where it cannot know what it missed it says `reload`,
 * and from then on has no position until a snapshot replaces it. The document it last had stays to be shown.
 */
import { applyOps, isObject, PatchError, share } from './patch.js'

/** The number before the dot of a position such as `42.9f3a1c02`. */
export const revisionOf = position => Number.parseInt(position, 10)

/** The verdict of a copy that stands at `at` on the change `base` → `position`: apply, stale, fork or gap. */
export function judge(at, base, position) {
  if (base === at) return 'apply'
  const ahead = revisionOf(position) - revisionOf(at)
  if (position === at || ahead < 0) return 'stale'
  return ahead === 0 ? 'fork' : 'gap'
}

export class Replica {
  /** @param {{ document?: object, position?: string, view?: string }} initial where to resume, if anywhere */
  constructor({ document, position, view } = {}) {
    Object.assign(this, { document, position, view })
  }

  /**
   * Takes one message of the hub. Returns what became of it: `apply`, `stale`, `snapshot`, `live`, `ended`;
   * `reload` when this copy must start again from a snapshot; undefined for what is no matter of the copy.
   */
  receive(message) {
    switch (message.type) {
      case 'snapshot': return this.#onSnapshot(message)
      case 'change': return this.#onChange(message)
      case 'live': return this.#onLive(message)
      case 'heartbeat': return this.#onHeartbeat(message)
      case 'ended':
        this.document = undefined
        this.position = undefined
        return 'ended'
    }
  }

  /** Forgets where this copy stands, so that only a snapshot can go on from here. */
  reload() {
    this.position = undefined
    this.view = undefined
    return 'reload'
  }

  #onSnapshot({ document, position, view }) {
    if (!isObject(document) || typeof position !== 'string') return this.reload()
    this.document = share(this.document, document)
    this.position = position
    this.view = view
    return 'snapshot'
  }

  #onChange({ base, position, ops }) {
    if (!this.position) return 'stale'
    if (typeof base !== 'string' || typeof position !== 'string') return this.reload()
    const verdict = judge(this.position, base, position)
    if (verdict === 'stale') return verdict
    if (verdict !== 'apply') return this.reload()
    try {
      this.document = applyOps(this.document, ops)
    } catch (error) {
      if (!(error instanceof PatchError)) throw error
      return this.reload()
    }
    this.position = position
    return verdict
  }

  /** A hub that does not know where this copy stands (it is about to replace it) names no position. */
  #onHeartbeat({ position }) {
    return this.position && position && position !== this.position ? this.reload() : 'stale'
  }

  #onLive({ position, view }) {
    if (position !== this.position || !position) return this.reload()
    this.view = view
    return 'live'
  }
}
