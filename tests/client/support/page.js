/** A document for libraries that draw, in this process: happy-dom's window as globals, until the test is over. */
import { Window } from 'happy-dom'

const NAMES = ['window', 'document', 'EventTarget', 'HTMLElement', 'Element', 'Node', 'Text', 'Comment', 'DocumentFragment', 'Event', 'CustomEvent', 'MutationObserver',
  'CSSStyleSheet', 'ShadowRoot', 'customElements', 'navigator', 'location', 'addEventListener', 'removeEventListener', 'requestAnimationFrame',
  'cancelAnimationFrame', 'BroadcastChannel']

/** Node's own would keep the process alive. */
class QuietChannel {
  postMessage() {}

  close() {}
}

/** Makes the globals of a page; `drop()` gives the old ones back. */
export function page() {
  const window = new Window({ url: 'https://hub.test/' })
  const before = NAMES.map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)])
  for (const name of NAMES) {
    const own = name === 'window' ? window : name === 'BroadcastChannel' ? QuietChannel : window[name]
    const value = typeof own === 'function' && /^[a-z]/.test(name) ? own.bind(window) : own
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  }
  const drop = async () => {
    await window.happyDOM.close()
    for (const [name, descriptor] of before) {
      delete globalThis[name]
      if (descriptor) Object.defineProperty(globalThis, name, descriptor)
    }
  }
  return { window, drop }
}
