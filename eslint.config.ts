import eslint from '@eslint/js'
import { defineConfig } from 'eslint/config'
import type { Linter } from 'eslint'
import tseslint from 'typescript-eslint'

/*
 * The walls between the folders of src (docs/decisions/0001). A call flows one way:
 * http -> operations -> domain -> store, and back out through views.
 */
type Wall = { folder: string; never: Record<string, string> }

const PRISMA = 'Only src/store knows Prisma.'
const NO_HTTP = 'This folder knows nothing of HTTP.'
const NO_ASSEMBLY =
  'src/assembly puts the program together; only main.ts and src/commands import it.'
const NO_CONFIG = 'What the operator decides is a parameter; src/assembly hands it out.'
const WALLS: Wall[] = [
  {
    folder: 'lib',
    never: Object.fromEntries(
      ['contract', 'http', 'operations', 'views', 'domain', 'engine', 'store', 'ports'].map(
        (folder) => [`**/${folder}/**`, 'src/lib knows nothing of Parley.'],
      ),
    ),
  },
  { folder: 'http', never: {} },
  {
    folder: 'contract',
    never: {
      '**/http/**': NO_HTTP,
      '**/operations/**': 'The contract knows no handler.',
      '**/store/**': 'The contract knows no database.',
      express: NO_HTTP,
    },
  },
  {
    folder: 'operations',
    never: {
      '**/http/**': NO_HTTP,
      '**/store/**': 'An operation asks the domain.',
      '**/engine/**': 'An operation asks the domain.',
      express: NO_HTTP,
    },
  },
  {
    folder: 'domain',
    never: {
      '**/http/**': NO_HTTP,
      '**/operations/**': 'The domain does not know who asks.',
      '**/views/**': 'The domain does not know how it is shown.',
      express: NO_HTTP,
    },
  },
  {
    folder: 'engine',
    never: {
      '**/http/**': NO_HTTP,
      '**/operations/**': 'An engine only answers.',
      '**/store/**': 'An engine remembers nothing.',
      express: NO_HTTP,
    },
  },
  {
    folder: 'store',
    never: {
      '**/http/**': NO_HTTP,
      '**/operations/**': 'The store does not know who asks.',
      '**/domain/**': 'The store keeps rows; rules are the domain’s.',
      '**/views/**': 'The store does not know how it is shown.',
      express: NO_HTTP,
    },
  },
  {
    folder: 'views',
    never: { '**/http/**': NO_HTTP, '**/operations/**': 'A view only shows.', express: NO_HTTP },
  },
  {
    folder: 'ports',
    never: {
      '**/http/**': NO_HTTP,
      '**/operations/**': 'A port knows only the world outside.',
      '**/store/**': 'A port knows only the world outside.',
      express: NO_HTTP,
    },
  },
]
const PRISMA_NEVER = {
  '@prisma/*': PRISMA,
  '**/generated/prisma/**': PRISMA,
  'pglite-prisma-adapter': PRISMA,
  '@electric-sql/pglite': PRISMA,
}

function forbid(never: Record<string, string>): Linter.RulesRecord {
  const patterns = Object.entries(never).map(([pattern, message]) => ({
    group: [pattern],
    message,
  }))
  return { 'no-restricted-imports': ['error', { patterns }] }
}

const CLOCK = 'Time is a parameter: ask the clock of ports/clock/clock.ts.'
const TIME = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: CLOCK },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: CLOCK },
  { selector: "MemberExpression[object.name='performance'][property.name='now']", message: CLOCK },
  { selector: 'CallExpression[callee.name=/^set(Timeout|Interval)$/]', message: CLOCK },
]
const ENVIRONMENT = [
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Only src/config/config.ts reads the environment.',
  },
]

export default defineConfig(
  // scripts/sdks/*/ are projects of partners: they have their own compilers, with their own settings.
  { ignores: ['dist', 'generated', 'data', 'coverage', '**/*.js', 'scripts/sdks/*/'] },
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Handlers are async by their type, whether or not one has something to wait for.
      '@typescript-eslint/require-await': 'off',
      // `noUncheckedIndexedAccess` makes every element possibly undefined; where a bound was
      // checked a line before, `!` says so more plainly than a second check.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      // The contract counts text in code points, and that is what spreading a string gives.
      '@typescript-eslint/no-misused-spread': 'off',
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-invalid-void-type': ['error', { allowInGenericTypeArguments: true }],
      'no-else-return': ['error', { allowElseIf: false }],
      'max-depth': ['error', 3],
      'max-lines': ['error', { max: 200, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['src/**'],
    rules: {
      'no-restricted-syntax': ['error', ...TIME, ...ENVIRONMENT],
      'no-console': 'error',
      'max-lines-per-function': ['error', { max: 50, skipComments: true }],
    },
  },
  { files: ['src/**'], ignores: ['src/store/**'], rules: forbid(PRISMA_NEVER) },
  ...WALLS.map(({ folder, never }) => ({
    files: [`src/${folder}/**`],
    rules: forbid({
      ...never,
      '**/assembly/**': NO_ASSEMBLY,
      '**/config/**': NO_CONFIG,
      ...(folder !== 'store' && PRISMA_NEVER),
    }),
  })),
  { files: ['src/config/config.ts'], rules: { 'no-restricted-syntax': ['error', ...TIME] } },
  {
    files: ['src/ports/clock/clock.ts'],
    rules: { 'no-restricted-syntax': ['error', ...ENVIRONMENT] },
  },
  {
    files: ['tests/**', 'scripts/**', '*.config.ts'],
    rules: {
      'no-console': 'off',
      'max-lines': ['error', { max: 300 }],
      // Tests and scripts call functions of plain objects, which do not use `this`.
      '@typescript-eslint/unbound-method': 'off',
      // Tests look into answers whose shape the server has just been held to.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
)
