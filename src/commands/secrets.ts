/**
 * Makes what DATABASE_URL needs: `npm run secrets [-- path/to/signing-keys.json]`, or
 * `node dist/src/commands/secrets.js` where only the production packages are installed. The environment
 * lines go to standard output and everything else to standard error, so that
 * `npm run --silent secrets >> .env` works. An existing file is never touched.
 */
import { resolve } from 'node:path'
import { makeSecretFile } from '../ports/keys/secret-file.ts'
import { newServerSecret } from '../ports/keys/server-secret.ts'
import { newSigningKeysText } from '../ports/keys/signing-keys.ts'

const path = process.argv[2] ?? 'data/signing-keys.json'

if (await makeSecretFile(path, await newSigningKeysText())) {
  process.stderr.write(`Created ${path} (only you can read it). Add these two lines to .env:\n`)
  process.stdout.write(`SIGNING_KEYS_FILE=${resolve(path)}\nSERVER_SECRET=${newServerSecret()}\n`)
} else {
  process.stderr.write(
    `${path} already exists and was not changed. To keep using it, set SIGNING_KEYS_FILE=${resolve(path)} ` +
      'and set SERVER_SECRET to the line in the server-secret file beside it. ' +
      'To create new ones, name another file: npm run secrets -- FILE\n',
  )
  process.exitCode = 1
}
