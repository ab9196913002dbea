import { defineConfig } from '@hey-api/openapi-ts'

export default defineConfig({
  input: 'api.yaml',
  output: { path: 'client', module: { extension: '.js' } },
})
