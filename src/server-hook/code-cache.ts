import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/**
 * Loads a program (CommonJS, in one file) with the bytecode that V8 made of it before, kept in `cache`. Kept beside it are a checksum, because
 * V8 does not look whether all of it is there, and which file it was made of, by which version of Node: V8 itself knows a source by its length only.
 * The program finds `keepCode` beside `require`: to be called when nobody waits for it any more; it keeps the code of what has run so far, where there
 * was none that fits.
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

/** A file that is put in the place of another has another number or another time of change, whatever its date says. */
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

/** The file: a line with the stamp and the checksum, and the code behind it. */
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
  // One process at a time stands by; what one that was killed has left here, the next writes over.
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
