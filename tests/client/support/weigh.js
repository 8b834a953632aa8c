/**
 * What a module of the client weighs with all it imports: bundled and minified by esbuild, once more by terser, gzipped at
 * level 9; both are pinned. What is loaded only when asked for is left out.
 */
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { minify } from 'terser'

export const LATER = ['./debug.js', './token.js']

/** `{ bytes, code, inputs }`: the weight, the minified text, the files it was made of. */
export async function weigh(name) {
  const { outputFiles: [{ text }], metafile } = await build({
    entryPoints: [fileURLToPath(new URL(`../../../client_js/${name}`, import.meta.url))],
    bundle: true, minify: true, write: false, metafile: true, format: 'esm', target: 'es2022', external: [...LATER, 'react'],
  })
  const { code } = await minify(text, { module: true, ecma: 2022, compress: { passes: 3, unsafe_arrows: true }, mangle: true })
  return { bytes: gzipSync(code, { level: 9 }).length, code, inputs: Object.keys(metafile.inputs) }
}
