/** Promises that a signal or a deadline may settle first. */

/**
 * Gives `task` a `promise` and the function `settle(error, value)`, which clears `task.timer` and calls `task.stop`.
 * `onAbort` is called after `signal` has settled it.
 */
export function promised(task, clearTimeout, signal, onAbort) {
  task.promise = new Promise((resolve, reject) => {
    const abort = () => {
      task.settle(signal.reason)
      onAbort?.()
    }
    task.settle = (error, value) => {
      clearTimeout(task.timer)
      signal?.removeEventListener('abort', abort)
      task.stop?.()
      value ? resolve(value) : reject(error)
    }
    signal?.addEventListener('abort', abort)
  })
  return task
}
