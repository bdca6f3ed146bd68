import { shellQuote } from '../process/shell-quote.js';
import { findOpenFolder, type OpenFolder } from '../process/trusted-folder.js';
import { BridgeError } from '../protocol/bridge-error.js';

/**
 * What is wrong with the location of answers.log (`bridge.answersLog`); null where it is safe. Another user
 * who may write there could plant a symlink, so that the records are written into one of the owner's files.
 * Or he could put a log of his own there, whose records go to the on-answer executables.
 */
export function faultOfLogPlace(logPath: string, gitDir: string): BridgeError | null {
  const found = findPlace(logPath, gitDir);
  if (found === null || found instanceof BridgeError) return found;
  const { folder, fault } = found;
  const move = `git -C ${shellQuote(gitDir)} config bridge.answersLog PATH, in a folder of the owner's`;
  return new BridgeError(
    `${logPath} is not used, because others could put a file in its place: ${folder} ${fault}`,
    {
      code: 'open-log-folder',
      remedy: fault.includes('chmod') ? `chmod go-w ${shellQuote(folder)}; or ${move}` : move,
    },
  );
}

/** Throws the BridgeError of faultOfLogPlace, if there is one. */
export function requireLogPlace(logPath: string, gitDir: string): void {
  const fault = faultOfLogPlace(logPath, gitDir);
  if (fault !== null) throw fault;
}

/** The error for a log, or a file beside it, that cannot be created or opened. */
export function noLogFile(logPath: string, cause: NodeJS.ErrnoException): BridgeError {
  return new BridgeError(`cannot write to ${logPath} (${cause.code ?? cause.message})`, {
    code: 'no-log-file',
    remedy: 'see that its folder exists and that the owner of the bridge may write there (bridge.answersLog)',
    cause,
  });
}

function findPlace(logPath: string, gitDir: string): OpenFolder | BridgeError | null {
  try {
    return findOpenFolder(logPath, gitDir);
  } catch (error) {
    return noLogFile(logPath, error as NodeJS.ErrnoException);
  }
}
