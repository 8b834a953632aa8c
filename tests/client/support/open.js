/** A session on fake sockets and fake time. */
import { connectSession } from '../../../client_js/index.js'
import { FakeClock, fakeSockets, live, settled, snapshot } from './fakes.js'

export const P = ['0.00000000', '1.aaaaaaaa', '2.bbbbbbbb', '3.cccccccc', '4.dddddddd', '5.eeeeeeee']

/** A session that connects; `last()` is the socket of its latest attempt. */
export function connecting(options = {}) {
  const clock = new FakeClock()
  const { sockets, FakeSocket } = fakeSockets()
  const session = connectSession({ url: 'http://hub.test', WebSocket: FakeSocket, clock, random: () => 0.5, ...options })
  return { session, clock, sockets, last: () => sockets.at(-1) }
}

/** A session that is live at P[1]. */
export async function opened(document = { a: { n: 0 } }, options = {}) {
  const world = connecting(options)
  await settled()
  world.last().say(snapshot(P[1], document), live(P[1]))
  return world
}

/** Every value of a readable, from now on. */
export function record(readable) {
  const values = []
  readable.subscribe(value => values.push(value))
  return values
}

/** What a promise has come to so far: `waiting`, or its outcome. */
export async function outcome(promise) {
  let came = 'waiting'
  promise.then(value => { came = { value } }, error => { came = { error } })
  await settled()
  return came
}

/** What a promise comes to, looked at later; its rejection is expected from now on. */
export const later = promise => promise.then(value => ({ value }), error => ({ error }))
