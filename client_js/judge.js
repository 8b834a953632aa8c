/**
 * What a copy thinks of the next change it hears. Pure.
 *
 * `core/judge` in the hub is the same machine; both pass `tests/vectors/judge.json`.
 */

/** The number before the dot of a position such as `42.9f3a1c02`; NaN for none. */
export const revisionOf = position => parseInt(position)

/** The verdict of a copy that stands at `at` on the change `base` → `position`: apply, stale, fork or gap. */
export function judge(at, base, position) {
  if (base === at) return 'apply'
  const ahead = revisionOf(position) - revisionOf(at)
  return position === at || ahead < 0 ? 'stale' : ahead ? 'gap' : 'fork'
}
