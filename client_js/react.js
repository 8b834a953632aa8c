/** The session in React (18 or newer): each hook renders anew only when what it returns is another value. */
import { useMemo, useRef, useSyncExternalStore } from 'react'

const useReadable = readable => useSyncExternalStore(readable.listen, readable.get, readable.get)

/** The whole document, undefined until there is one. */
export const useSession = session => useReadable(session)

/** One section. */
export const useSection = (session, name) => useReadable(session.section(name))

/** What `fn` makes of the document. `fn` may be written inline; `equals` (default `Object.is`) keeps the last value. */
export function useSelect(session, fn, equals = Object.is) {
  const last = useRef()
  const keep = (a, b) => a !== undefined && equals(a, b)
  const readable = useMemo(() => session.select(document => {
    const value = fn(document)
    if (!keep(last.current, value)) last.current = value
    return last.current
  }), [session, fn])
  return useReadable(readable)
}

export const useStatus = session => useReadable(session.status)
