/** Chance that can be repeated. */

/** A generator of [0, 1) for a seed (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const randomFrom = (random, list) => list[Math.floor(random() * list.length)]

/** A JSON value at most `depth` levels deep, with awkward keys. */
export function randomJson(random, depth) {
  const kind = Math.floor(random() * (depth > 0 ? 7 : 4))
  if (kind < 4) return [null, random() < 0.5, Math.floor(random() * 5), randomFrom(random, ['', 'a', '0'])][kind]
  const children = Array.from({ length: Math.floor(random() * 4) }, () => randomJson(random, depth - 1))
  if (kind < 5) return children
  return Object.fromEntries(children.map(child => [randomFrom(random, ['a', 'b', '0', '', 'a/b', 'm~n', '__proto__', 'constructor']), child]))
}
