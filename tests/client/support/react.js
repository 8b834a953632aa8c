/** As much of React as one component needs: hooks in order, rendering anew when a store says so. */
let component

const slot = make => (component.slots[component.at] ??= make(), component.slots[component.at++])

export const useRef = initial => slot(() => ({ current: initial }))

export function useMemo(make, inputs) {
  const memo = slot(() => ({}))
  if (!memo.inputs || inputs.some((input, i) => !Object.is(input, memo.inputs[i]))) Object.assign(memo, { inputs, value: make() })
  return memo.value
}

export function useSyncExternalStore(listen, get) {
  const { render } = component
  const store = slot(() => ({}))
  if (store.listen !== listen) {
    store.stop?.()
    Object.assign(store, { listen, stop: listen(() => render()) })
  }
  const value = get()
  if (!Object.is(value, get())) throw new Error('the snapshot must be cached')
  return value
}

/** Renders `body` now and whenever its stores change. Returns what each rendering gave. */
export function mount(body) {
  const renders = []
  const own = { slots: [], render: () => {
    component = Object.assign(own, { at: 0 })
    renders.push(body())
  } }
  own.render()
  return renders
}
