/**
 * For `node --import`: while the file that FULL_DISK names is there, no file in DATA_DIR grows,
 * as on a disk that is full.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { resolve, sep } from 'node:path'

const { FULL_DISK: flag, DATA_DIR: directory } = process.env
const inside = resolve(directory) + sep
const opened = new Map()
const { openSync, closeSync, writeSync } = fs

fs.openSync = (path, ...rest) => {
  const descriptor = openSync(path, ...rest)
  if (String(path).startsWith(inside)) opened.set(descriptor, path)
  return descriptor
}
fs.closeSync = (descriptor) => {
  opened.delete(descriptor)
  closeSync(descriptor)
}
// What a file has already, it keeps: it can be written over.
const grows = (descriptor, length, position) =>
  typeof position !== 'number' || position + length > fs.fstatSync(descriptor).size
fs.writeSync = (descriptor, data, ...rest) => {
  const [, length, position] = rest
  const isRefused = opened.has(descriptor) && fs.existsSync(flag)
  if (!isRefused || !grows(descriptor, length, position)) {
    return writeSync(descriptor, data, ...rest)
  }
  const error = new Error('ENOSPC: no space left on device, write')
  throw Object.assign(error, { code: 'ENOSPC', errno: -28, syscall: 'write' })
}
syncBuiltinESMExports()
