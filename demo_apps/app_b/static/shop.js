/**
 * Shop's page: the greeting and the cart follow the session; adding is one `update`, shown before the hub answers.
 *
 * `update` runs again on a newer document if another tab was faster, so two tabs adding at once both count.
 */
import { act, make, openSession, reasonOf, say } from '../shared/page.js'

const HIGHEST_QUANTITY = 99
const texts = await (await fetch('static/texts.json')).json()
const session = openSession({ app: 'b' })
const find = selector => document.querySelector(selector)
let known = new Set()

session.subscribe(doc => { if (doc) show(doc) })
for (const product of document.querySelectorAll('.product')) {
  product.querySelector('[data-add]').addEventListener('click', () => change(product.dataset.sku, +1))
}
find('[data-checkout]').addEventListener('click', event => act('actions/checkout', event.currentTarget))

function change(sku, step) {
  const { cents } = find(`.product[data-sku="${CSS.escape(sku)}"]`)?.dataset ?? {}
  const recipe = doc => {
    doc.cart ??= {}
    const items = doc.cart.items ??= []
    const line = items.find(item => item.sku === sku)
    if (line) line.quantity = Math.min(line.quantity + step, HIGHEST_QUANTITY)
    else if (step > 0) items.push({ sku, name: texts.en[sku] ?? sku, price_cents: Number(cents), quantity: step })
    doc.cart.items = items.filter(item => item.quantity > 0)
    delete doc.cart.last_order
  }
  session.update(recipe).catch(error => say(reasonOf(error), 'bad'))
}

function show(doc) {
  const language = texts[doc.profile?.language] ? doc.profile.language : 'en'
  const words = texts[language]
  document.documentElement.lang = language
  const money = new Intl.NumberFormat(language, { style: 'currency', currency: 'EUR' })
  const price = cents => money.format(cents / 100)
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = words[element.dataset.text]
  for (const element of document.querySelectorAll('[data-price]')) element.textContent = price(element.dataset.price)
  const name = doc.profile?.name || doc.identity?.name || ''
  find('[data-greeting]').textContent = words.greeting.replace('{name}', () => name)
  showCart(doc.cart ?? {}, words, price)
}

function showCart(cart, words, price) {
  const items = cart.items ?? []
  const credits = Object.entries(cart.credits ?? {})
  const count = items.reduce((sum, item) => sum + item.quantity, 0)
  const owed = items.reduce((sum, item) => sum + item.price_cents * item.quantity, 0)
  const credited = credits.reduce((sum, [, credit]) => sum + credit.amount_cents, 0)
  find('[data-count]').textContent = count
  find('[data-count]').hidden = count === 0
  find('[data-empty]').hidden = count > 0 || credits.length > 0 || cart.last_order !== undefined
  find('[data-sum]').hidden = find('[data-checkout]').hidden = count === 0
  find('[data-total]').textContent = price(Math.max(0, owed - credited))
  find('[data-cart-link]').hidden = count === 0
  find('[data-link-total]').textContent = `${count} · ${price(Math.max(0, owed - credited))}`
  find('[data-ordered]').hidden = !cart.last_order
  find('[data-ordered]').textContent = cart.last_order ? words.ordered.replace('{number}', () => cart.last_order.number) : ''
  const lines = [...items.map(item => itemLine(item, words, price)), ...credits.map(entry => creditLine(entry, price))]
  replaceLines(lines)
}

/** Put the new lines in place; keep the keyboard where it was. */
function replaceLines(lines) {
  const focused = document.activeElement?.dataset.focus
  find('[data-lines]').replaceChildren(...lines)
  for (const line of lines) line.classList.toggle('line-new', known.size > 0 && !known.has(line.dataset.key))
  known = new Set(['', ...lines.map(line => line.dataset.key)])
  if (focused) find(`[data-focus="${CSS.escape(focused)}"]`)?.focus()
}

function itemLine(item, words, price) {
  const step = (sign, by, label) => {
    const button = make('button', '', sign)
    button.type = 'button'
    button.dataset.focus = item.sku + sign
    button.setAttribute('aria-label', `${label}: ${words[item.sku] ?? item.name}`)
    button.addEventListener('click', () => change(item.sku, by))
    return button
  }
  const stepper = make('div', 'stepper', step('−', -1, words.fewer), make('span', '', String(item.quantity)), step('+', +1, words.more))
  const name = make('span', 'line-name', words[item.sku] ?? item.name)
  const line = make('li', 'line', name, make('span', 'line-price', price(item.price_cents * item.quantity)), stepper)
  line.dataset.key = item.sku
  return line
}

function creditLine([id, credit], price) {
  const line = make(
    'li',
    'line line-credit',
    make('span', 'line-name', credit.label),
    make('span', 'line-price', price(-credit.amount_cents)),
  )
  line.dataset.key = id
  return line
}
