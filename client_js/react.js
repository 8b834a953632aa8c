/** The session in React (18 or newer): each hook renders anew only when what it returns is another value. */
import { useRef, useSyncExternalStore } from 'react'

const useReadable = ({ listen, get }) => useSyncExternalStore(listen, get, get)

/** The whole document, undefined until there is one. */
export const useSession = session => useReadable(session)

/** One section. */
export const useSection = (session, name) => useReadable(session.section(name))

/** What `fn` makes of the document. `fn` may be written inline; `equals` (default `Object.is`) keeps the last value. */
export function useSelect(session, fn, equals = Object.is) {
  const last = useRef()
  const get = () => {
    const document = session.get()
    const known = last.current
    if (known?.document === document && known.fn === fn) return known.value
    const value = fn(document)
    last.current = { document, fn, value: known && equals(known.value, value) ? known.value : value }
    return last.current.value
  }
  return useReadable({ listen: session.listen, get })
}

export const useStatus = session => useReadable(session.status)
