#!/usr/bin/env node
// Verifies the audit log, or one event of it, with nothing of Kunci: written from
// docs/audit-log.md, with Node's own SHA-256 and Ed25519 alone.
//
//   node verify-audit.mjs proof PROOF.json [KEY]
//   node verify-audit.mjs consistency PROOF.json OLDER-CHECKPOINT [KEY]
//   node verify-audit.mjs log SEALED.ndjson CHECKPOINT KEY [EVENTS.ndjson] [--older CHECKPOINT] [--filtered]
//
// KEY is what "kunci audit key" prints, or a file that holds it. Keep one of your
// own: the key inside a proof vouches for nothing. --older is a checkpoint that was
// kept earlier, as often as there are some. An export must hold every event of its
// organization up to its end, unless it is --filtered. Exit 0: everything holds.
import { createHash, createPublicKey, verify } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'

class Refusal extends Error {}
const fail = (why) => { throw new Refusal(why) }
const sha256 = (...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const leafHash = (data) => sha256(Buffer.of(0), data)
const nodeHash = (left, right) => sha256(Buffer.of(1), left, right)
const bytes = (text) => typeof text === 'string' ? Buffer.from(text, 'base64') : fail('a value in base64 is missing')
const hashes = (list) => Array.isArray(list ?? []) ? (list ?? []).map((h) => bytes(h).length === 32 ? bytes(h) : fail('a hash of the proof has the wrong length')) : fail('the hashes of the proof are missing')
const place = (n) => Number.isSafeInteger(n) && n >= 0 ? BigInt(n) : fail('a place or size is no number')

function read (file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    fail(`the file ${file} cannot be read`)
  }
}

function parse (text, what) {
  try {
    const value = JSON.parse(text)
    if (value !== null && typeof value === 'object') return value
  } catch { /* said below */ }
  fail(`${what} cannot be read: it was cut off or changed`)
}

async function * linesOf (file) {
  if (!existsSync(file)) fail(`the file ${file} cannot be read`)
  let n = 0
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) yield [line, ++n]
}

// A key is NAME+HASH+BASE64; the base64 is a byte 1 (Ed25519) and 32 bytes of key.
function readKey (text) {
  const [name, hash, ...rest] = (text ?? '').trim().split('+')
  const key = Buffer.from(rest.join('+'), 'base64')
  if (key.length !== 33 || key[0] !== 1) fail('the public key cannot be read')
  const id = sha256(`${name}\n`, key).subarray(0, 4)
  if (id.toString('hex') !== hash) fail('the public key does not fit its own hash')
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.subarray(1)])
  return { name, id, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

// A checkpoint is ORIGIN, SIZE and ROOT on lines of their own, an empty line, and
// lines "— ORIGIN BASE64" of 4 bytes that name a key and 64 of signature.
function readCheckpoint (text, key, what = 'the checkpoint') {
  const end = typeof text === 'string' ? text.indexOf('\n\n') : -1
  if (end < 0) fail(`${what} cannot be read`)
  const signed = text.slice(0, end + 1)
  const [origin, size, root, more] = signed.split('\n')
  if (origin !== key.name || more !== '' || !/^(0|[1-9][0-9]*)$/.test(size)) fail(`${what} is not of this log`)
  for (const line of text.slice(end + 2).split('\n')) {
    const prefix = `— ${key.name} `
    if (!line.startsWith(prefix)) continue
    const signature = Buffer.from(line.slice(prefix.length), 'base64')
    if (signature.length === 68 && signature.subarray(0, 4).equals(key.id) && verify(null, Buffer.from(signed), key.key, signature.subarray(4))) {
      return { size: BigInt(size), root: Buffer.from(root, 'base64') }
    }
  }
  fail(`no signature of ${what} holds: the log's key did not sign it`)
}

// From a leaf up to the root (RFC 9162, 2.1.3.2).
function rootOf (index, size, hash, path) {
  if (index >= size) fail('the place is not in the log that the checkpoint covers')
  let at = index
  let last = size - 1n
  for (const step of path) {
    if (last === 0n) fail('the path of the proof is too long')
    if ((at & 1n) === 1n || at === last) {
      hash = nodeHash(step, hash)
      while ((at & 1n) === 0n && at !== 0n) { at >>= 1n; last >>= 1n }
    } else {
      hash = nodeHash(hash, step)
    }
    at >>= 1n
    last >>= 1n
  }
  if (last !== 0n) fail('the path of the proof is too short')
  return hash
}

// That a tree continues an older one (RFC 9162, 2.1.4.2).
function checkContinues (older, newer, path) {
  if (older.size > newer.size) fail(`the log was cut off: the newer checkpoint covers ${newer.size} records, the older one ${older.size}`)
  if (older.size === 0n || older.size === newer.size) {
    if (path.length > 0) fail('the path of the proof is too long')
    if (older.size === newer.size && !older.root.equals(newer.root)) fail('two checkpoints of one size have two roots: the log has two histories')
    return
  }
  let at = older.size - 1n
  let last = newer.size - 1n
  while ((at & 1n) === 1n) { at >>= 1n; last >>= 1n }
  const steps = at === 0n ? [older.root, ...path] : [...path]
  if (steps.length === 0) fail('the path of the proof is too short')
  let was = steps.shift()
  let is = was
  for (const step of steps) {
    if (last === 0n) fail('the path of the proof is too long')
    if ((at & 1n) === 1n || at === last) {
      was = nodeHash(step, was)
      is = nodeHash(step, is)
      while ((at & 1n) === 0n && at !== 0n) { at >>= 1n; last >>= 1n }
    } else {
      is = nodeHash(is, step)
    }
    at >>= 1n
    last >>= 1n
  }
  if (last !== 0n) fail('the path of the proof is too short')
  if (!was.equals(older.root)) fail('the log does not continue the older checkpoint: what it covered was changed')
  if (!is.equals(newer.root)) fail('the proof leads to another root than the newer checkpoint')
}

const texts = ['id', 'organization', 'kind', 'outcome', 'reason', 'actor_kind', 'actor', 'target', 'method_id', 'method_kind', 'correlation', 'detail', 'actor_key', 'target_key']

// What a leaf hashes: a line, 14 texts and 2 sealed parts with their lengths, the time.
function readLeaf (data, what) {
  const head = Buffer.from('kunci event v1\n')
  if (!data.subarray(0, head.length).equals(head)) fail(`${what} is of another format: something was changed`)
  let at = head.length
  const next = () => {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      if (at >= data.length || shift > 28) fail(`${what} is cut off`)
      const byte = data[at++]
      length += (byte & 127) * 2 ** shift
      if (byte < 128) break
    }
    if (at + length > data.length) fail(`${what} is cut off`)
    at += length
    return data.subarray(at - length, at)
  }
  const leaf = {}
  for (const name of texts) leaf[name] = next().toString()
  leaf.actor_data = next()
  leaf.target_data = next()
  if (at + 8 !== data.length) fail(`${what} has the wrong length`)
  leaf.micros = data.readBigUInt64BE(at)
  return leaf
}

function checkProof (file, keyText) {
  const p = parse(read(file), 'the proof')
  const checkpoint = readCheckpoint(p.checkpoint, readKey(keyText ?? p.public_key))
  const data = bytes(p.leaf_hash_input)
  const hash = leafHash(data)
  if (!hash.equals(bytes(p.leaf_hash))) fail('the leaf hash is not that of the event')
  if (!rootOf(place(p.leaf_index), checkpoint.size, hash, hashes(p.hashes)).equals(checkpoint.root)) fail('the proof leads to another root: the event, its place or a hash was changed')
  const leaf = readLeaf(data, 'the event')
  console.log(`${leaf.kind} ${leaf.id} is record ${p.leaf_index} of ${checkpoint.size}: the proof holds.`)
}

function checkConsistency (file, olderFile, keyText) {
  const p = parse(read(file), 'the proof')
  const key = readKey(keyText ?? p.public_key)
  const older = readCheckpoint(read(olderFile), key, 'the older checkpoint')
  const newer = readCheckpoint(p.checkpoint, key)
  checkContinues(older, newer, hashes(p.hashes))
  console.log(`The log of ${newer.size} records continues the one of ${older.size}: nothing of that was changed.`)
}

// An export, by the identifiers of its events. It is written in their order, which is
// that of their time.
async function readExport (file) {
  const events = new Map()
  let previous = ''
  for await (const [line, n] of linesOf(file)) {
    const e = parse(line, `line ${n} of the export`)
    if (typeof e.id !== 'string' || typeof e.time !== 'string' || !Number.isInteger(e.leaf)) fail(`line ${n} of the export is no event`)
    if (e.id <= previous) fail(`line ${n} of the export stands out of order, or is there twice`)
    previous = e.id
    events.set(e.id, e)
  }
  if (events.size === 0) fail('the export is empty')
  return events
}

function compare (e, leaf, at) {
  const pairs = [[e.kind, leaf.kind], [e.organization, leaf.organization], [e.outcome, leaf.outcome], [e.reason, leaf.reason],
    [e.actor?.kind, leaf.actor_kind], [e.actor?.account, leaf.actor], [e.target, leaf.target], [e.method_id, leaf.method_id],
    [e.method_kind, leaf.method_kind], [e.correlation, leaf.correlation], [JSON.stringify(e.detail ?? {}), JSON.stringify(parse(leaf.detail, `record ${at}`))]]
  if (pairs.some(([exported, logged]) => (exported ?? '') !== logged)) fail(`event ${e.id} is not what was logged at record ${at}`)
  if (BigInt(Date.parse(e.time) || 0) !== leaf.micros / 1000n) fail(`event ${e.id} has another time than record ${at}`)
  if (e.leaf !== -1 && BigInt(e.leaf) !== at) fail(`event ${e.id} is said to be record ${e.leaf}, and is record ${at}`)
}

const dayOf = (micros) => micros / 86_400_000_000n

async function checkLog (sealed, checkpointFile, keyText, eventsFile, olderFiles, filtered) {
  const key = readKey(keyText)
  const checkpoint = readCheckpoint(read(checkpointFile), key)
  const older = olderFiles.map((file) => readCheckpoint(read(file), key, 'an older checkpoint'))
  for (const o of older) if (o.size > checkpoint.size) checkContinues(o, checkpoint, [])
  const events = eventsFile ? await readExport(eventsFile) : new Map()
  const all = [...events.values()]
  const organizations = new Set(all.map((e) => e.organization ?? ''))
  const covers = (leaf) => organizations.size > 1 || organizations.has(leaf.organization)
  const end = all.reduce((most, e) => Math.max(most, e.leaf), -1)

  const trees = [] // complete subtrees, large to small: [level, hash]
  const root = () => trees.toReversed().reduce((right, [, hash]) => right === null ? hash : nodeHash(hash, right), null) ?? sha256()
  const continues = (size) => {
    for (const o of older) if (o.size === size && !root().equals(o.root)) fail(`the records do not continue the older checkpoint over ${size}: what it covered was changed`)
  }
  const lastUse = new Map() // of each key of a person, where somebody is shown as erased
  const erased = { keys: new Set(), before: 0n }
  const gone = []
  let size = 0n
  let newest = 0n
  let later = 0
  continues(size)
  for await (const [line, n] of linesOf(sealed)) {
    if (size === checkpoint.size) { later++; continue } // an older checkpoint does not cover it
    const l = parse(line, `line ${n} of the records`)
    if (place(l.leaf_index) !== size) fail(`record ${size} is missing: record ${l.leaf_index} stands in its place`)
    const data = bytes(l.leaf_hash_input)
    const leaf = readLeaf(data, `record ${size}`)
    if (leaf.micros > newest) newest = leaf.micros
    const e = events.get(leaf.id)
    if (e) {
      compare(e, leaf, size)
      e.found = true
      if (e.erased) gone.push([e.id, [leaf.actor_key, leaf.target_key].filter(Boolean)])
    } else if (eventsFile && !filtered && size <= BigInt(end) && covers(leaf)) {
      fail(`record ${size} (${leaf.kind}) is not in the export: it was taken out, or the export was filtered`)
    }
    if (eventsFile) for (const name of [leaf.actor_key, leaf.target_key]) if (name) lastUse.set(name, leaf.micros)
    if (leaf.kind === 'export.created' && leaf.reason === 'erased') {
      const detail = parse(leaf.detail, `record ${size}`)
      for (const name of (detail.key ?? '').split(' ')) erased.keys.add(name)
      const before = BigInt(Date.parse(detail.before) || 0) * 1000n
      if (before > erased.before) erased.before = before
    }
    let tree = [0, leafHash(data)]
    while (trees.length && trees.at(-1)[0] === tree[0]) tree = [tree[0] + 1, nodeHash(trees.pop()[1], tree[1])]
    trees.push(tree)
    size++
    continues(size)
  }
  if (size !== checkpoint.size) fail(`the log ends at record ${size}, the checkpoint covers ${checkpoint.size}`)
  if (!root().equals(checkpoint.root)) fail('the records lead to another root: something was changed')

  let said = `${size} records: nothing was changed`
  if (older.length > 0) said += '; they continue what was kept earlier'
  if (later > 0) said += `; ${later} more are newer than the checkpoint`
  if (!eventsFile) {
    console.log(`${said}.`)
    return
  }

  // An event waits for its place for about a second; a minute is generous.
  const minute = 60_000_000n
  const micros = (e) => BigInt(Date.parse(e.time) || 0) * 1000n
  const latest = all.reduce((most, e) => micros(e) > most ? micros(e) : most, 0n)
  for (const e of all) {
    if (e.leaf === -1 && micros(e) + minute < latest) fail(`event ${e.id} has no place in the log although newer ones have`)
    if (!e.found && (e.leaf !== -1 ? BigInt(e.leaf) < size : micros(e) + minute < newest)) fail(`event ${e.id} is not in the log`)
  }
  for (const [id, keys] of gone) {
    const told = keys.some((name) => erased.keys.has(name) || dayOf(lastUse.get(name)) < dayOf(erased.before))
    if (!told) fail(`event ${id} is shown as erased, and no record says that its person was`)
  }
  const found = all.filter((e) => e.found).length
  if (found === 0) fail('no event of the export is covered by the checkpoint')
  console.log(`${said}.`)
  console.log(`${found} exported events are what was logged${filtered ? '' : `, and up to record ${end} none is missing`}. Names and addresses of people are sealed in the log and were not compared.`)
  if (found < all.length) console.log(`${all.length - found} exported events are newer than the checkpoint and were not compared.`)
}

const usage = 'usage: verify-audit.mjs proof PROOF.json [KEY] | consistency PROOF.json OLDER-CHECKPOINT [KEY] | log SEALED.ndjson CHECKPOINT KEY [EVENTS.ndjson] [--older CHECKPOINT] [--filtered]'
const keyOf = (text) => text && existsSync(text) ? read(text) : text
try {
  let parsed
  try {
    parsed = parseArgs({ allowPositionals: true, options: { older: { type: 'string', multiple: true, default: [] }, filtered: { type: 'boolean', default: false } } })
  } catch { /* said below */ }
  const [mode, ...args] = parsed?.positionals ?? []
  const { older, filtered } = parsed?.values ?? {}
  if (mode === 'proof' && args.length >= 1) checkProof(args[0], keyOf(args[1]))
  else if (mode === 'consistency' && args.length >= 2) checkConsistency(args[0], args[1], keyOf(args[2]))
  else if (mode === 'log' && args.length >= 3) await checkLog(args[0], args[1], keyOf(args[2]), args[3], older, filtered)
  else { console.error(usage); process.exit(2) }
} catch (error) {
  const why = error instanceof Refusal ? error.message : `a file is not what it should be (${error.message})`
  console.error(`It does not hold: ${why}.`)
  process.exit(1)
}
