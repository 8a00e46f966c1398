import { readFileSync } from 'node:fs'
import { defineConfig, type Plugin } from 'rolldown'

/** The page that the server shows at `/`: one script and one style sheet, named after what is in them. */
export default defineConfig({
  input: { page: 'src/web/main.tsx' },
  platform: 'browser',
  tsconfig: 'src/web/tsconfig.json',
  output: {
    dir: 'dist/web',
    cleanDir: true,
    minify: true,
    entryFileNames: '[name]-[hash].js',
    assetFileNames: '[name]-[hash][extname]',
  },
  plugins: [page()],
})

/** Puts the imported style sheets together, in the order of their imports, and writes the HTML that names the files. */
function page(): Plugin {
  const styles = new Map<string, string>()
  return {
    name: 'page',
    load(id) {
      if (!id.endsWith('.css')) return null
      styles.set(id, readFileSync(id, 'utf8'))
      return { code: '', moduleType: 'js', moduleSideEffects: true }
    },
    generateBundle(_, bundle) {
      const order = [...this.getModuleIds()].filter((id) => styles.has(id))
      const asset = (name: string, source: string) => this.getFileName(this.emitFile({ type: 'asset', name, source }))
      const files: Record<string, string> = {
        script: Object.keys(bundle).find((name) => name.endsWith('.js'))!,
        style: asset('page.css', order.map((id) => slim(styles.get(id)!)).join('')),
        icon: asset('icon.svg', readFileSync('src/web/icon.svg', 'utf8')),
      }
      const html = readFileSync('src/web/index.html', 'utf8')
      const source = html.replace(/%(\w+)%/g, (_match, name: string) => `page/${files[name]}`)
      this.emitFile({ type: 'asset', fileName: 'index.html', source })
    },
  }
}

const slim = (css: string) =>
  css
    .replace(/\/\*[^]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,]) ?/g, '$1')
