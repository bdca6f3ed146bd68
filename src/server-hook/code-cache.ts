import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/**
 * Loads a program (CommonJS, in one file) with the bytecode that V8 made of it earlier, kept in `cache`. A
 * checksum is kept with it, because V8 does not check that the bytecode is complete. A stamp says which file
 * and which version of Node made it, because V8 recognises a source by its length only. The program finds
 * `keepCode` beside `require` and calls it when nobody waits for it any more. `keepCode` saves the code of
 * what has run so far, where no fitting code was saved.
 */
export function loadWithCode(program: string, cache: string): void {
  const { source, stamp } = readProgram(program);
  const known = readCode(cache, stamp);
  const script = new Script(`(function (require, keepCode) {${source}\n})`, {
    filename: program,
    ...(known === null ? {} : { cachedData: known }),
  });
  const isFit = known !== null && script.cachedDataRejected !== true;
  const keepCode = () => {
    if (!isFit) writeCode(cache, stamp, script.createCachedData());
  };
  script.runInThisContext()(createRequire(program), keepCode);
}

/**
 * Reads the program and its stamp. A file that replaces another has another inode or another change time,
 * whatever its modification date says.
 */
function readProgram(program: string): { source: string; stamp: string } {
  const file = openSync(program, 'r');
  try {
    const { ino, size, ctimeNs } = fstatSync(file, { bigint: true });
    return {
      source: readFileSync(file, 'utf8'),
      stamp: `${process.version} ${process.arch} ${ino} ${size} ${ctimeNs}`,
    };
  } finally {
    closeSync(file);
  }
}

/** Reads the cache file: a line with the stamp and the checksum, then the code. */
function readCode(cache: string, stamp: string): Buffer | null {
  try {
    const bytes = readFileSync(cache);
    const end = bytes.indexOf(0x0a);
    const code = bytes.subarray(end + 1);
    return bytes.toString('latin1', 0, end) === lineOf(stamp, code) ? code : null;
  } catch {
    return null;
  }
}

function writeCode(cache: string, stamp: string, code: Buffer): void {
  // Only one process stands by at a time. What a killed one left here is overwritten by the next.
  const temporary = `${cache}.new`;
  try {
    writeFileSync(temporary, Buffer.concat([Buffer.from(`${lineOf(stamp, code)}\n`), code]), { mode: 0o600 });
    renameSync(temporary, cache);
  } catch {
    rmSync(temporary, { force: true });
  }
}

function lineOf(stamp: string, code: Buffer): string {
  return `${stamp} ${crc32(code)}`;
}
