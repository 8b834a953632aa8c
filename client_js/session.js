/** What a page holds in its hands: the document as readables, the ways to change it, the ways to hear of things. */
import { HubError } from './errors.js'
import { liveCopy } from './live.js'
import { demand, isList, isObject, own, pathTo, toJson } from './patch.js'
import { find, shapeOf } from './pending.js'
import { promised } from './promised.js'
import { followed } from './readable.js'

/** `leave(everywhere)` logs out; the rest is for `liveCopy`. Returns the session and what is behind it. */
export function openSession(options) {
  const { setTimeout, clearTimeout, leave } = options
  const { add, readable, derived, flush } = followed()
  const events = new EventTarget()
  const sections = new Map()
  const live = liveCopy({ ...options, flush, emit: (type, detail) => events.dispatchEvent(new CustomEvent(type, { detail })) })
  const { state, entries } = live

  const commit = async (intent, { id, ifPosition, signal, queueMs = 10_000 } = {}, recipe) => {
    const body = toJson({ ...intent, if_position: ifPosition })
    const { patch, ops } = body
    demand(isObject(patch) || isList(ops) || recipe?.call, 'commit')
    if (state.over) throw state.over
    signal?.throwIfAborted()
    const shape = patch && !id && !ifPosition && !signal && shapeOf(patch) // else it is to go out by itself
    id ??= crypto.getRandomValues(new Uint32Array(4)).join('_')
    demand(/^[\w-]{16,64}$/.test(id), 'id')
    return find(entries, id)?.promise ?? live.commit({ body, recipe, shape, id, ifPosition, queueMs }, signal)
  }

  const session = {
    ...readable(() => state.document),
    pending: readable(() => entries.length),

    section(name) {
      if (!sections.has(name)) {
        sections.set(name, {
          ...readable(() => own(state.document, name)),
          patch: (merge, options) => session.patch({ [name]: merge }, options),
          replace: (value, options) => session.apply([{ op: 'add', path: pathTo('', name), value }], options),
        })
      }
      return sections.get(name)
    },

    select: (fn, equals) => derived(session.get, fn, equals),
    patch: (patch, options) => commit({ patch }, options),
    apply: (ops, options) => commit({ ops }, options),
    update: (recipe, options) => commit({}, options, recipe),

    /** The document, as soon as it is certain that it is the current one. */
    ready: () => session.until(live.isLive),

    /** The document, as soon as `predicate` says yes to it. */
    async until(predicate, { signal, timeoutMs } = {}) {
      signal?.throwIfAborted()
      const task = promised({}, clearTimeout, signal)
      const check = () => {
        try {
          const { document, over } = state
          if (document && predicate(document)) task.settle(0, document)
          else if (over) throw over
        } catch (error) {
          task.settle(error)
        }
      }
      task.stop = add(check)
      if (timeoutMs >= 0) task.timer = setTimeout(() => task.settle(new HubError({ code: 'timeout', retryable: true })), timeoutMs)
      check()
      return task.promise
    },

    /** Ends the session (`everywhere`: every session of the user), for all tabs and apps. */
    async logout(options) {
      await leave(options?.everywhere)
      live.finish('ended', { reason: 'logged_out' })
    },

    close: () => live.finish('closed'),

    on(type, fn, options) {
      const listener = ({ detail }) => fn(detail)
      events.addEventListener(type, listener, options)
      return () => events.removeEventListener(type, listener)
    },

    /** What is going on in here, for debugging. */
    inspect: () => ({ ...state, pending: [...entries] }),
  }
  for (const name of ['status', 'mode', 'position', 'presence']) session[name] = readable(() => state[name])
  return [session, live]
}
