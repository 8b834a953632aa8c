/**
 * Account's page: every control shows one value of the document and commits what is typed into it.
 *
 * Nothing is saved by a button. A commit is shown at once (the client's copy already contains it) and the note under
 * the field says when the hub has it; a refused one is taken back by the client and the note says why.
 */
import { act, openSession, reasonOf, say } from '../shared/page.js'

const TYPING_PAUSE_MS = 250
const SAVED_NOTE_MS = 1600
const session = openSession({ app: 'a' })

for (const field of document.querySelectorAll('[data-field]')) bind(field, ...field.dataset.field.split('.'))
for (const button of document.querySelectorAll('[data-act]')) {
  button.addEventListener('click', () => act(button.dataset.act, button))
}

session.section('identity').subscribe(identity => {
  if (!identity) return
  const name = identity.name ?? ''
  show('[data-full-name]', name)
  show('[data-email]', identity.email ?? '')
  show('[data-initials]', name.split(' ').slice(0, 2).map(word => word[0] ?? '').join('').toUpperCase())
})
session.select(doc => doc && (doc.profile?.name || doc.identity?.name || 'you')).subscribe(name => {
  if (name) show('[data-name]', name)
})
session.select(doc => (doc?.cart?.items ?? []).reduce((sum, item) => sum + item.quantity, 0)).subscribe(count => {
  show('[data-cart-count]', String(count))
  document.querySelector('[data-cart]').hidden = count === 0
})

function show(selector, text) {
  document.querySelector(selector).textContent = text
}

function bind(field, section, key) {
  const controls = [...field.querySelectorAll('input, select, textarea')]
  const commit = value => save(field, section, key, value)
  const typed = controls[0].matches('textarea, input:not([type="radio"], [type="checkbox"])')
  const isBusy = typed ? bindTyping(controls[0], commit) : bindChoice(controls, commit)
  session.section(section).subscribe(values => {
    if (values && !isBusy()) showValue(controls, values[key])
  })
}

/** Commit when the typing pauses, or the field is left. Returns whether something typed is not committed yet. */
function bindTyping(control, commit) {
  let timer
  const flush = () => {
    if (timer === undefined) return
    clearTimeout(timer)
    timer = undefined
    commit(control.value === '' ? null : control.value)
  }
  control.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(flush, TYPING_PAUSE_MS)
  })
  control.addEventListener('blur', flush)
  return () => timer !== undefined
}

function bindChoice(controls, commit) {
  for (const control of controls) {
    control.addEventListener('change', () => commit(control.type === 'checkbox' ? control.checked : control.value))
  }
  return () => false
}

function showValue(controls, value) {
  for (const control of controls) {
    if (control.type === 'radio') control.checked = control.value === (value ?? controls[0].value)
    else if (control.type === 'checkbox') control.checked = value === true
    else if (control.tagName === 'SELECT') control.value = value ?? control.options[0].value
    else if (control.value !== (value ?? '')) control.value = value ?? ''
  }
}

async function save(field, section, key, value) {
  const note = field.querySelector('.field-note')
  const turn = field.turn = (field.turn ?? 0) + 1
  const tell = (state, text) => {
    if (field.turn !== turn) return
    field.dataset.state = state
    if (note) note.textContent = text
    else if (state === 'refused') say(text, 'bad')
  }
  tell('saving', 'Saving…')
  try {
    await session.patch({ [section]: { [key]: value } })
    tell('saved', 'Saved')
    setTimeout(() => tell('', ''), SAVED_NOTE_MS)
  } catch (error) {
    tell('refused', reasonOf(error))
  }
}
