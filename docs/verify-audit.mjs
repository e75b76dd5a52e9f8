#!/usr/bin/env node
// Verifies the audit log, or one event of it, with nothing of Kunci: written from
// docs/audit-log.md, with Node's own SHA-256 and Ed25519 alone.
//
//   node verify-audit.mjs proof PROOF.json [KEY]
//   node verify-audit.mjs log SEALED.ndjson CHECKPOINT KEY [EVENTS.ndjson]
//
// KEY is what "kunci audit key" prints, or a file that holds it. Keep one of your
// own: the key inside a proof vouches for nothing. Exit 0: everything holds.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const leafHash = (data) => sha256(Buffer.of(0), data)
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right)
const fail = (why) => { throw new Error(why) }

// A key is NAME+HASH+BASE64; the base64 is a byte 1 (Ed25519) and 32 bytes of key.
function readKey (text) {
  const [name, hash, ...rest] = text.trim().split('+')
  const key = Buffer.from(rest.join('+'), 'base64')
  if (key.length !== 33 || key[0] !== 1) fail('the public key cannot be read')
  const id = sha256(`${name}\n`, key).subarray(0, 4)
  if (id.toString('hex') !== hash) fail('the public key does not fit its own hash')
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.subarray(1)])
  return { name, id, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

// A checkpoint is ORIGIN, SIZE and ROOT on lines of their own, an empty line, and
// lines "— ORIGIN BASE64" of 4 bytes that name a key and 64 of signature.
function readCheckpoint (text, key) {
  const end = text.indexOf('\n\n')
  if (end < 0) fail('the checkpoint cannot be read')
  const signed = text.slice(0, end + 1)
  const [origin, size, root, more] = signed.split('\n')
  if (origin !== key.name || more !== '' || !/^(0|[1-9][0-9]*)$/.test(size)) fail('the checkpoint is not of this log')
  for (const line of text.slice(end + 2).split('\n')) {
    const prefix = `— ${key.name} `
    if (!line.startsWith(prefix)) continue
    const signature = Buffer.from(line.slice(prefix.length), 'base64')
    if (signature.length === 68 && signature.subarray(0, 4).equals(key.id) && verify(null, Buffer.from(signed), key.key, signature.subarray(4))) {
      return { size: BigInt(size), root: Buffer.from(root, 'base64') }
    }
  }
  fail('no signature of the checkpoint holds')
}

// From a leaf up to the root (RFC 9162, 2.1.3.2).
function rootOf (index, size, hash, path) {
  if (index < 0n || index >= size) fail('the place is not in the log')
  let at = index
  let last = size - 1n
  for (const step of path) {
    if (step.length !== 32) fail('a hash of the path has the wrong length')
    if (last === 0n) fail('the path is too long')
    if ((at & 1n) === 1n || at === last) {
      hash = nodeHash(step, hash)
      while ((at & 1n) === 0n && at !== 0n) { at >>= 1n; last >>= 1n }
    } else {
      hash = nodeHash(hash, step)
    }
    at >>= 1n
    last >>= 1n
  }
  if (last !== 0n) fail('the path is too short')
  return hash
}

const texts = ['id', 'organization', 'kind', 'outcome', 'reason', 'actor_kind', 'actor', 'target', 'method_id', 'method_kind', 'correlation', 'detail', 'actor_key', 'target_key']

// What a leaf hashes: a line, 14 texts and 2 sealed parts with their lengths, the time.
function readLeaf (data) {
  const head = Buffer.from('kunci event v1\n')
  if (!data.subarray(0, head.length).equals(head)) fail('a leaf is of another format')
  let at = head.length
  const next = () => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      if (at >= data.length || shift > 28) fail('a leaf is cut off')
      const byte = data[at++]
      length += (byte & 127) * 2 ** shift
      if (byte < 128) break
    }
    if (at + length > data.length) fail('a leaf is cut off')
    at += length
    return data.subarray(at - length, at)
  }
  const leaf = {}
  for (const name of texts) leaf[name] = next().toString()
  leaf.actor_data = next()
  leaf.target_data = next()
  if (at + 8 !== data.length) fail('a leaf has the wrong length')
  leaf.micros = data.readBigUInt64BE(at)
  return leaf
}

function checkProof (file, keyText) {
  const p = JSON.parse(readFileSync(file, 'utf8'))
  const checkpoint = readCheckpoint(p.checkpoint, readKey(keyText ?? p.public_key))
  const data = Buffer.from(p.leaf_hash_input, 'base64')
  const hash = leafHash(data)
  if (!hash.equals(Buffer.from(p.leaf_hash, 'base64'))) fail('the leaf hash is not that of the event')
  const path = (p.hashes ?? []).map((h) => Buffer.from(h, 'base64'))
  if (!rootOf(BigInt(p.leaf_index), checkpoint.size, hash, path).equals(checkpoint.root)) fail('the proof leads to another root')
  const leaf = readLeaf(data)
  console.log(`${leaf.kind} ${leaf.id} is record ${p.leaf_index} of ${checkpoint.size}: the proof holds.`)
}

const linesOf = (file) => createInterface({ input: createReadStream(file), crlfDelay: Infinity })

async function checkLog (sealed, checkpointFile, keyText, eventsFile) {
  const key = readKey(keyText)
  const checkpoint = readCheckpoint(readFileSync(checkpointFile, 'utf8'), key)
  const events = new Map()
  if (eventsFile) {
    for await (const line of linesOf(eventsFile)) {
      const e = JSON.parse(line)
      events.set(e.leaf, e)
    }
  }
  let size = 0n
  let root = null
  let compared = 0
  const trees = [] // complete subtrees, large to small: [level, hash]
  for await (const line of linesOf(sealed)) {
    if (size === checkpoint.size) break // what came later, an older checkpoint does not cover
    const l = JSON.parse(line)
    if (BigInt(l.leaf_index) !== size) fail(`record ${size} is missing`)
    const data = Buffer.from(l.leaf_hash_input, 'base64')
    const leaf = readLeaf(data)
    const e = events.get(l.leaf_index)
    if (e) {
      compared++
      const pairs = [[e.id, leaf.id], [e.kind, leaf.kind], [e.organization, leaf.organization], [e.outcome, leaf.outcome], [e.reason, leaf.reason],
        [e.actor.kind, leaf.actor_kind], [e.actor.account, leaf.actor], [e.target, leaf.target], [e.method_id, leaf.method_id],
        [e.method_kind, leaf.method_kind], [e.correlation, leaf.correlation], [JSON.stringify(e.detail ?? {}), JSON.stringify(JSON.parse(leaf.detail))]]
      if (pairs.some(([exported, logged]) => (exported ?? '') !== logged)) fail(`event ${e.id} is not what was logged at record ${size}`)
      if (BigInt(Date.parse(e.time)) !== leaf.micros / 1000n) fail(`event ${e.id} has another time than record ${size}`)
    }
    let tree = [0, leafHash(data)]
    while (trees.length && trees.at(-1)[0] === tree[0]) tree = [tree[0] + 1, nodeHash(trees.pop()[1], tree[1])]
    trees.push(tree)
    size++
  }
  if (size !== checkpoint.size) fail(`the log ends at record ${size}, the checkpoint covers ${checkpoint.size}`)
  for (const [, hash] of trees.toReversed()) root = root === null ? hash : nodeHash(hash, root)
  if (!(root ?? sha256()).equals(checkpoint.root)) fail('the records lead to another root: something was changed')
  console.log(`${size} records: nothing was changed${eventsFile ? `; ${compared} exported events are what was logged` : ''}.`)
}

const keyOf = (text) => text && existsSync(text) ? readFileSync(text, 'utf8') : text
const [mode, ...args] = process.argv.slice(2)
try {
  if (mode === 'proof' && args.length >= 1) checkProof(args[0], keyOf(args[1]))
  else if (mode === 'log' && args.length >= 3) await checkLog(args[0], args[1], keyOf(args[2]), args[3])
  else { console.error('usage: verify-audit.mjs proof PROOF.json [KEY] | log SEALED.ndjson CHECKPOINT KEY [EVENTS.ndjson]'); process.exit(2) }
} catch (error) {
  console.error(`It does not hold: ${error.message}.`)
  process.exit(1)
}
