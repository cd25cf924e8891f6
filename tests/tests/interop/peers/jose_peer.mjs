// jose, at the service of the tests: the same requests and replies as in pyjwt_peer.py.
// The one argument is the folder whose node_modules has jose.

import { webcrypto } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

// Node.js 18, which Debian 12 has, does not have it as a global.
globalThis.crypto ??= webcrypto

const folder = createRequire(join(process.argv[2], 'here.js'))
const jose = await import(pathToFileURL(folder.resolve('jose')))

const privateKey = (key, alg) =>
  'secret' in key ? Buffer.from(key.secret, 'base64url')
  : 'pem' in key ? jose.importPKCS8(key.pem, alg, { extractable: true })
  : jose.importJWK(key.jwk, alg)

const publicKey = (key, alg) =>
  'secret' in key ? Buffer.from(key.secret, 'base64url')
  : 'pem' in key ? jose.importSPKI(key.pem, alg)
  : 'jwk' in key ? jose.importJWK(key.jwk, alg)
  : jose.createLocalJWKSet(key.jwks)

async function sign({ alg, key, header, claims }) {
  const token = new jose.SignJWT(claims).setProtectedHeader({ alg, ...header })
  return { token: await token.sign(await privateKey(key, alg)) }
}

async function verify({ alg, key, token, issuer, audience }) {
  const expected = { algorithms: [alg], issuer: issuer ?? undefined, audience: audience ?? undefined }
  const verifier = await publicKey(key, alg)
  try {
    return { claims: (await jose.jwtVerify(token, verifier, expected)).payload }
  } catch (error) {
    if (!(error instanceof jose.errors.JOSEError)) throw error
    return { refused: `${error.code}: ${error.message}` }
  }
}

async function accepts(request) {
  return { accepted: 'claims' in (await verify(request)) }
}

async function describe({ alg, key }) {
  const jwk = await jose.exportJWK(await privateKey(key, alg))
  if ('secret' in key) return { keys: { private: jwk, public: null, thumbprint: null } }
  const { d, p, q, dp, dq, qi, ...bare } = jwk
  const thumbprint = await jose.calculateJwkThumbprint(bare)
  return { keys: { private: jwk, public: bare, thumbprint } }
}

async function generate({ alg }) {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
  return { pair: { private: await jose.exportPKCS8(privateKey), public: await jose.exportSPKI(publicKey) } }
}

const deeds = { sign, verify, accepts, describe, generate }

for await (const line of createInterface({ input: process.stdin })) {
  const { do: deed, ...request } = JSON.parse(line)
  let reply
  try {
    reply = await deeds[deed](request)
  } catch (error) {
    reply = { broken: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(reply) + '\n')
}
