/** The vectors both implementations pass, and JSON equality as tests need it: own keys only, in any order. */
import { readFileSync } from 'node:fs'

export const vectors = name => JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), 'utf8'))

/** One text for all equal JSON values. */
export const canonical = value => {
  if (Array.isArray(value)) return `[${value.map(canonical)}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  return `{${Object.keys(value).sort().map(key => `${JSON.stringify(key)}:${canonical(value[key])}`)}}`
}
