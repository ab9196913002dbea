import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { until } from '../clock/until.ts'

const DEPLOYED = join(import.meta.dirname, '../../../deploy/nginx.conf')

/** Whether this machine can start an nginx. */
export const hasNginx = spawnSync('nginx', ['-v']).status === 0

/** An nginx of a test's own. */
export type Nginx = {
  /** `http://127.0.0.1:<port>` */
  url: string
  /** The same by TLS; only where it has a certificate. */
  secureUrl: string
  close(): Promise<void>
}

type Options = {
  /** The addresses of one or two servers. */
  upstreams: readonly string[]
  /** The files of a certificate: then it takes TLS on another port, and HTTP/2 there. */
  certificate?: { certFile: string; keyFile: string }
}

/** Starts nginx with `deploy/nginx.conf`, and compression of whatever it lets through. */
export async function startNginx(options: Options): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-nginx-'))
  const [port, securePort] = [await freePort(), await freePort()]
  const site = siteOf(await readFile(DEPLOYED, 'utf8'), { ...options, port, securePort })
  await writeFile(join(directory, 'nginx.conf'), around(site))
  const given = ['-p', directory, '-e', 'error.log', '-c', 'nginx.conf']
  const child = spawn('nginx', given, { stdio: ['ignore', 'ignore', 'inherit'] })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${String(port)}`
  await until(() => isListening(url))
  return {
    url,
    secureUrl: `https://127.0.0.1:${String(securePort)}`,
    async close() {
      child.kill('SIGTERM')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

type Site = Options & { port: number; securePort: number }

/** The deployed file; only its addresses are others. @throws when they are not there */
function siteOf(deployed: string, { upstreams, certificate, port, securePort }: Site): string {
  const secure = certificate
    ? `listen 127.0.0.1:${String(securePort)} ssl http2;
       ssl_certificate ${certificate.certFile}; ssl_certificate_key ${certificate.keyFile};`
    : ''
  const [first, second = first] = upstreams.map((url) => new URL(url).host)
  const places: [string, string][] = [
    ['listen 8080;', `listen 127.0.0.1:${String(port)}; ${secure}`],
    ['parley-1:3000', first!],
    ['parley-2:3000', second!],
  ]
  return places.reduce((text, [place, own]) => {
    if (!text.includes(place)) throw new Error(`deploy/nginx.conf has no ${place}`)
    return text.replace(place, own)
  }, deployed)
}

function around(site: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  // Its worker must be able to write into the folder of the user that started it.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `${user} daemon off; pid nginx.pid; worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  ${paths.map((name) => `${name}_temp_path ${name};`).join(' ')}
  gzip on; gzip_types *; gzip_min_length 0;
  ${site}
}
`
}

function isListening(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  )
}
