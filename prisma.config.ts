import { defineConfig } from 'prisma/config'

/** For Prisma's own tools (studio, format); the server migrates itself at start-up. */
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
})
