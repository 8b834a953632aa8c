/** The live session in a page: `connectSession()`. Everything else in this folder is inside. */
import { connect } from './core.js'
import { attachToPage } from './page.js'

export { HubError } from './errors.js'

/** Follows the caller's own session. Options and result: `types.d.ts`. */
export const connectSession = options => connect(options, globalThis.document && attachToPage)
