/**
 * All copies end as the hub has it, and what a tab shows of its own commits never goes back: random schedules
 * (`support/model.js`), a short form of them here; `SCHEDULES=10000` (as `make client-model` has it) runs so many.
 *
 * That the model finds faults is shown too: it is run against copies of the client with one defence taken away each.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

const SCHEDULES = Number(process.env.SCHEDULES ?? 800)
const JOBS = Math.min(4, availableParallelism())
const model = fileURLToPath(new URL('support/model.js', import.meta.url))
const client = fileURLToPath(new URL('../../client_js', import.meta.url))

/** Runs the seeds in several processes; resolves to the sum of what happened. */
async function schedules(count, forks, CLIENT) {
  const share = Math.ceil(count / JOBS)
  const parts = await Promise.all(Array.from({ length: JOBS }, (_, job) => promisify(execFile)(
    process.execPath, [model, job * share + 1, Math.min(count, (job + 1) * share), ...(forks ? ['forks'] : [])].map(String),
    { env: { ...process.env, ...(CLIENT && { CLIENT }) } },
  )))
  return parts.map(({ stdout }) => JSON.parse(stdout)).reduce((sum, part) => Object.fromEntries(Object.keys(sum).map(key => [key, sum[key] + part[key]])))
}

test(`${SCHEDULES} schedules: copies converge, commits count once and settle, nothing accepted flickers`, async t => {
  const figures = await schedules(SCHEDULES, false)
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.schedules, SCHEDULES)
  for (const name of ['commits', 'changes', 'breaks', 'repeated', 'lost']) assert.ok(figures[name] > SCHEDULES / 8, name)
})

test(`${SCHEDULES / 4} schedules with a store that loses acknowledged commits: copies converge, nothing hangs or doubles`, async t => {
  t.diagnostic(JSON.stringify(await schedules(SCHEDULES / 4, true)))
})

for (const [file, text, put, finds] of [
  ['pending.js', "revisionOf(position) >= revisionOf(entry.at)", 'true', /flickers|before/],
  ['pending.js', "revisionOf(position) >= revisionOf(entry.at)", 'revisionOf(position) > revisionOf(entry.at)', /late|no rest|though its change/],
  ['live.js', "if (!isLive()) move(entries, 'sent', 'lost')", '', /no rest/],
  ['live.js', "before ??= document", '', /flickers|twice|shown is/],
  ['live.js', "entry.held = /sent|lost/.test(entry.state)", 'entry.held = false', /flickers|twice|differs/],
  ['judge.js', "return position === at || ahead < 0 ? 'stale' : ahead ? 'gap' : 'fork'", "return 'stale'", /./],
  ['judge.js', "if (base === at) return 'apply'", "if (revisionOf(position) > revisionOf(at)) return 'apply'", /./],
  ['live.js', "=== last?.shape", '!== last?.shape', /./],
]) {
  test(`the model notices ${file} with «${put || 'nothing'}» for «${text}»`, async t => {
    const copy = mkdtempSync(join(tmpdir(), 'client-'))
    t.after(() => rmSync(copy, { recursive: true }))
    cpSync(client, copy, { recursive: true })
    writeFileSync(join(copy, 'package.json'), '{"type":"module"}')
    const code = readFileSync(join(copy, file), 'utf8')
    assert.equal(code.split(text).length, 2, 'the text to be replaced is there, once')
    writeFileSync(join(copy, file), code.replace(text, put))
    await assert.rejects(schedules(200, false, pathToFileURL(join(copy, 'index.js')).href), ({ stderr }) => finds.test(stderr))
  })
}
