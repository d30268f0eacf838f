// Where the broker is and how to log in, read from the environment.
import { readFileSync } from 'node:fs'

export const bootstrap = process.env.BOOTSTRAP
export const topic = process.env.TOPIC
export const group = process.env.GROUP
const password = process.env.CONNECTION_STRING

// What TLS and SASL need, in the form that both libraries take; null where the broker is plaintext.
export const tls = password ? { ca: [readFileSync(process.env.CA_FILE, 'utf8')] } : null
export const login = password ? { mechanism: 'plain', username: '$ConnectionString', password } : null

export function expect (condition, message) {
  if (!condition) {
    throw new Error(`expectation failed: ${message}`)
  }
}

// Runs the program, ends it with `ok` or with what went wrong; never waits longer than a minute.
export async function run (main) {
  const limit = setTimeout(() => {
    console.error('not done after 60 s')
    process.exit(1)
  }, 60_000)
  try {
    await main()
    clearTimeout(limit)
    console.log('ok')
    process.exit(0)
  } catch (error) {
    console.error(error)
    process.exit(1)
  }
}
