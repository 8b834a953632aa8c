/**
 * One live connection, kept up: when to connect, when to give up on a socket, how long to wait.
 *
 * It knows sockets, timers and close codes, and nothing of what is said. 40xx and broken connections come back after
 * a random part of a doubling window (full jitter); 45xx and 1009 do not come back. Every attempt has its own turn
 * number: what an abandoned socket or a late ticket still has to say is not heard.
 */

const SILENT_MS = 60_000
const ANSWER_MS = 10_000
const STEADY_MS = 5_000

/**
 * `enter(place)` resolves to `[url, protocols]` and is asked anew for every attempt; an error with a `closeCode` is
 * final, any other is emitted and tried again. `onStatus(status)` follows every move, `onText(data)` every frame;
 * `onOver(code, reason, problem?)` is called once instead of coming back, and has to `rest`.
 */
export function keepConnected({ enter, place, now, setTimeout, clearTimeout, random = Math.random, retry, WebSocket, emit, onStatus, onText, onOver }) {
  let turn = 0
  let failures = 0
  let timer // of the next attempt while waiting, of silence otherwise
  let socket
  let heardAt
  let liveAt

  /** Lets go of whatever there is, and stays so, as `status` says, until `start` or `wake`. */
  const rest = status => {
    clearTimeout(timer)
    liveAt = heardAt = undefined
    turn++
    socket?.close()
    socket = undefined
    onStatus(status)
  }

  const wait = (windowMs, code, reason) => {
    const delay = random() * windowMs
    const mine = turn + 1
    rest({ name: 'waiting', code, reason, retryAt: now() + delay })
    if (mine === turn) timer = setTimeout(start, delay) // a listener may have decided otherwise
  }

  const { minMs = 200, maxMs = 20_000 } = retry ?? {}
  const nextWindow = () => Math.min(maxMs, minMs * 2 ** failures++)

  /** The connection is gone or of no use: comes back by itself, unless the close code says not to. */
  const lose = (code, reason) => {
    if (now() - liveAt >= STEADY_MS) failures = 0
    if (/^(45|1009)/.test(code)) onOver(code, reason)
    else wait(code === 4001 && /^\d{1,6}$/.test(reason) ? reason : nextWindow(), code, reason)
  }

  const watchSilence = () => {
    const left = heardAt + SILENT_MS - now()
    clearTimeout(timer)
    if (left > 0) timer = setTimeout(watchSilence, left)
    else lose(1006, 'silent')
  }

  /** Begins an attempt, whatever there was before. */
  const start = async () => {
    const mine = turn + 1
    const isOver = () => mine !== turn
    rest({ name: 'connecting' })
    if (isOver()) return
    heardAt = now()
    watchSilence()
    try {
      const where = await enter(place)
      if (isOver()) return
      socket = new WebSocket(...where)
      socket.onmessage = ({ data }) => {
        if (isOver()) return
        heardAt = now()
        onText(data)
      }
      socket.onclose = ({ code, reason }) => isOver() || lose(code, reason)
    } catch (error) {
      if (isOver()) return
      if (error.closeCode) return onOver(error.closeCode, error.code, error.problem)
      wait(nextWindow(), undefined, error.message)
      emit('error', error)
    }
  }

  /** Undefined when there is no live connection to send on. */
  const send = text => {
    if (!liveAt) return
    socket.send(text)
    return true
  }

  /** The hub says that this copy has caught up. */
  const caughtUp = () => {
    liveAt = now()
    onStatus({ name: 'live' })
  }

  /** Something says that the network or the page is back: no waiting now, and a live socket must show that it is. */
  const wake = () => {
    if (!(now() - heardAt < SILENT_MS)) start()
    else if (send('{"type":"ping"}')) {
      heardAt = now() - SILENT_MS + ANSWER_MS // as if it had been silent until little is left
      watchSilence()
    }
  }

  return { start, rest, lose, send, caughtUp, wake }
}
