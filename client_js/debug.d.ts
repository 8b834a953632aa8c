import type { Session } from './types.js'

/** Shows every session of this page that is not shown yet. */
export function find(): void
/** Shows one session; `wake` asks the hub for a sign of life. Undefined when it is shown already. */
export function show(session: Session<any>, wake: () => void): HTMLElement | undefined
