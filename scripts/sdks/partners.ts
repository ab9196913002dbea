import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package-root.ts'
import { madeOnce } from '../support/made-once.ts'
import { type Command, run } from '../support/processes.ts'
import { makeVenv } from '../support/python.ts'

/** A generator, and the project that uses its client: the folder with this name. */
export type Partner = {
  name: string
  generator: string
  version: string
  /** Installs the generator into the cache, once for many runs. */
  prepare: () => Promise<void>
  generate: Command[]
  /** Applies every check of the language, apart from those that the folder's settings relax. */
  compile: Command[]
  scenario: Command
}

const cache = join(process.env['XDG_CACHE_HOME'] ?? tmpdir(), 'parley-sdks')
const folder = (name: string) => join(packageRoot, 'scripts/sdks', name)
const MINUTE_MS = 60_000
const SCENARIO_LIMIT_MS = 2 * MINUTE_MS

function command(limitMs: number, program: string, ...parameters: string[]): Command {
  return { program, parameters, limitMs }
}

const npm = (...parameters: string[]) => command(4 * MINUTE_MS, 'npm', ...parameters)

type Manifest = Partial<Record<'dependencies' | 'devDependencies', Record<string, string>>>

async function typescript(name: string, generator: string): Promise<Partner> {
  const manifest = await readFile(join(folder(name), 'package.json'), 'utf8')
  const { dependencies, devDependencies } = JSON.parse(manifest) as Manifest
  return {
    name,
    generator,
    version: { ...devDependencies, ...dependencies }[generator] ?? 'unknown',
    prepare: async () => {},
    generate: [
      npm('ci', '--ignore-scripts', '--no-audit', '--no-fund'),
      npm('run', '--silent', 'generate'),
    ],
    compile: [npm('run', '--silent', 'compile')],
    scenario: command(SCENARIO_LIMIT_MS, process.execPath, 'build/scenario.js'),
  }
}

async function python(): Promise<Partner> {
  const requirements = await readFile(join(folder('python'), 'requirements.txt'), 'utf8')
  const generator = 'openapi-python-client'
  const venv = join(cache, `python-${digest(requirements).slice(0, 16)}`)
  const program = (one: string) => join(venv, 'bin', one)
  return {
    name: 'python',
    generator,
    version: new RegExp(`^${generator}==(.+)$`, 'm').exec(requirements)?.[1] ?? 'unknown',
    prepare: () =>
      madeOnce(venv, async () => {
        const pip = ['--no-deps', '-r', join(folder('python'), 'requirements.txt')]
        await makeVenv(venv, { pip, limitMs: 4 * MINUTE_MS })
      }),
    generate: [
      command(
        MINUTE_MS,
        program('python'),
        ...['-m', 'openapi_python_client', 'generate', '--path', 'api.yaml', '--meta', 'none'],
        ...['--config', 'generator.yaml', '--output-path', 'parley_client'],
      ),
    ],
    compile: [
      command(
        3 * MINUTE_MS,
        program('python'),
        ...['-m', 'mypy', '--strict', 'parley_client', 'scenario.py'],
      ),
    ],
    scenario: command(SCENARIO_LIMIT_MS, program('python'), 'scenario.py'),
  }
}

/** Comes from Maven Central and must have this digest. */
const OPENAPI_GENERATOR = {
  version: '7.25.0',
  sha256: '41ce4f6b07f196676439d710759fa1ced7a08066d06ff1bf314681470289efae',
}
const generatorJar = join(cache, `openapi-generator-cli-${OPENAPI_GENERATOR.version}.jar`)
const maven = [
  '--quiet',
  '--batch-mode',
  '--no-transfer-progress',
  `-Dmaven.repo.local=${join(cache, 'maven')}`,
]

async function prepareOpenApiGenerator(): Promise<void> {
  await madeOnce(generatorJar, async () => {
    const { version, sha256 } = OPENAPI_GENERATOR
    const copy = [
      'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy',
      `-Dartifact=org.openapitools:openapi-generator-cli:${version}`,
      `-DoutputDirectory=${generatorJar}`,
    ]
    await run(command(4 * MINUTE_MS, 'mvn', ...maven, ...copy), cache)
    const jar = await readFile(join(generatorJar, `openapi-generator-cli-${version}.jar`))
    if (digest(jar) !== sha256)
      throw new Error('The SHA-256 of the OpenAPI Generator does not match.')
  })
}

function openApiGenerator(language: string, output: string): Command {
  const jar = join(generatorJar, `openapi-generator-cli-${OPENAPI_GENERATOR.version}.jar`)
  const parameters = ['generate', '-g', language, '-i', 'api.yaml', '-c', 'generator.yaml']
  const without = 'apiTests=false,modelTests=false,apiDocs=false,modelDocs=false'
  const rest = ['-o', output, '--global-property', without]
  return command(2 * MINUTE_MS, 'java', '-jar', jar, ...parameters, ...rest)
}

function java(): Partner {
  const classes = 'target/classes:target/test-classes:target/dependency/*'
  return {
    name: 'java',
    generator: 'openapi-generator (java, native)',
    version: OPENAPI_GENERATOR.version,
    prepare: prepareOpenApiGenerator,
    generate: [openApiGenerator('java', 'client')],
    compile: [command(5 * MINUTE_MS, 'mvn', ...maven, 'test-compile')],
    scenario: command(SCENARIO_LIMIT_MS, 'java', '-cp', classes, 'Scenario'),
  }
}

function go(): Partner {
  const staticcheck = ['run', 'honnef.co/go/tools/cmd/staticcheck@v0.8.2']
  const checked = (...parameters: string[]) =>
    command(6 * MINUTE_MS, 'go', ...staticcheck, ...parameters)
  return {
    name: 'go',
    generator: 'openapi-generator (go)',
    version: OPENAPI_GENERATOR.version,
    prepare: prepareOpenApiGenerator,
    generate: [openApiGenerator('go', 'parley')],
    compile: [
      command(4 * MINUTE_MS, 'go', 'build', '-o', 'scenario', '.'),
      command(2 * MINUTE_MS, 'go', 'vet', './...'),
      checked('.'),
      // The generator's templates capitalise errors and leave a value unused, whatever the contract says.
      checked('-checks', 'inherit,-ST1005,-SA4006', './parley'),
    ],
    scenario: command(SCENARIO_LIMIT_MS, './scenario'),
  }
}

export async function partners(): Promise<Partner[]> {
  return [
    await typescript('typescript-hey-api', '@hey-api/openapi-ts'),
    await typescript('typescript-openapi-fetch', 'openapi-fetch'),
    await python(),
    java(),
    go(),
  ]
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
