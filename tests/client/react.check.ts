/** Held against `client_js/react.d.ts` by `tsc --noEmit`. */
import type { Session } from '../../client_js/types.js'
import { useSection, useSelect, useSession, useStatus } from '../../client_js/react.js'

export function use(session: Session<{ profile: { name: string } }>): string {
  const names: (string | undefined)[] = [useSession(session)?.profile.name, useSection(session, 'profile')?.name]
  const long: boolean = useSelect(session, document => (document?.profile.name.length ?? 0) > 9)
  // @ts-expect-error no such section
  useSection(session, 'cart')
  return `${useStatus(session).name} ${names} ${long}`
}
