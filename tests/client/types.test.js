/**
 * The types hold: `tsc --strict` accepts what must be accepted; what must not be is marked `@ts-expect-error` in the
 * checks, and a mark where it does not object is an error too.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const beside = name => fileURLToPath(new URL(name, import.meta.url))
const tsc = (...files) => promisify(execFile)(process.execPath, [
  beside('node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022',
  '--lib', 'es2023,dom', ...files,
])

test('the checks of the types pass', async () => {
  await tsc(beside('types.check.ts'), beside('react.check.ts')).catch(({ stdout }) => assert.fail(stdout))
})
