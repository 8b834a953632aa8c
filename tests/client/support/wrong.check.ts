/** Mistakes that the types have to find: three, and `types.test.js` counts them. */
import { connectSession } from '../../../client_js/types.js'

const session = connectSession<{ profile: { name: string } }>()
session.section('profil')
session.patch({ profile: { name: 7 } })
session.on('end', () => {})
