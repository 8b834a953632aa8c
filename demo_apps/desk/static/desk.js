/**
 * Desk's page: the parts around the two apps. It shows everything the session has and changes nothing itself.
 *
 * The panes are told by the session alone: by its document, by the changes it hears, by its presence.
 */
import { act, leave, make, openSession, say } from '../shared/page.js'
import { followChanges } from './changes.js'
import { followDocument } from './document.js'

const APPS = { a: 'Account', b: 'Shop', desk: 'Desk' }
const session = openSession({ app: 'desk', presence: true })
const find = selector => document.querySelector(selector)

followDocument(session, find('[data-document]'))
followChanges(session, find('[data-changes]'), find('[data-heard]'))

session.position.subscribe(position => {
  if (position) find('[data-position]').textContent = position
})
session.select(doc => doc && (doc.profile?.name || doc.identity?.name || '')).subscribe(name => {
  if (name) find('[data-name]').textContent = name
})
session.presence.subscribe(connections => {
  const counts = new Map()
  for (const { app } of connections) counts.set(app, (counts.get(app) ?? 0) + 1)
  const named = [...counts].map(([app, count]) => [APPS[app] ?? app ?? 'Page', count]).sort()
  find('[data-presence]').replaceChildren(...named.map(([name, count]) => make('li', '', name, make('b', '', String(count)))))
})

find('[data-billing]').addEventListener('click', event => act('actions/billing-credit', event.currentTarget))
find('[data-end]').addEventListener('click', async event => {
  const button = event.currentTarget
  button.setAttribute('aria-busy', 'true')
  try {
    await session.logout({ everywhere: true })
    leave('logged_out')
  } catch (error) {
    say(error.message, 'bad')
    button.removeAttribute('aria-busy')
  }
})
find('[data-window]').addEventListener('click', event => {
  const opened = open(location.href, '_blank', 'popup,width=1280,height=840')
  if (opened) event.preventDefault() // where pop-ups are not allowed the link opens a tab
})

const tabs = [...document.querySelectorAll('[data-show]')]
for (const tab of tabs) {
  tab.addEventListener('click', () => {
    document.body.dataset.shown = tab.dataset.show
    for (const other of tabs) other.setAttribute('aria-pressed', String(other === tab))
    delete tab.dataset.news
  })
}
session.on('change', () => {
  for (const tab of tabs) {
    if (tab.dataset.show === 'changes' && tab.dataset.show !== document.body.dataset.shown) tab.dataset.news = ''
  }
})
