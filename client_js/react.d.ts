import type { Session, Status } from './types.js'

export function useSession<D extends object>(session: Session<D>): D | undefined
export function useSection<D extends object, K extends keyof D & string>(session: Session<D>, name: K): D[K] | undefined
export function useSelect<D extends object, T>(session: Session<D>, fn: (document: D | undefined) => T, equals?: (a: T, b: T) => boolean): T
export function useStatus<D extends object>(session: Session<D>): Status
