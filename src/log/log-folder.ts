import { shellQuote } from '../process/shell-quote.js';
import { findOpenFolder, type OpenFolder } from '../process/trusted-folder.js';
import { BridgeError } from '../protocol/bridge-error.js';

/**
 * What is wrong with the location of answers.log (`bridge.answersLog`); null where it is safe. Another user
 * who may write there could plant a symlink, so that the records are written into one of the owner's files.
 * Or they could put a log of their own there, whose records go to the on-answer executables.
 */
export function findLogFolderFault(logPath: string, gitDir: string): BridgeError | null {
  const found = findOpenLogFolder(logPath, gitDir);
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

/** Throws the BridgeError of findLogFolderFault, if there is one. */
export function requireSafeLogFolder(logPath: string, gitDir: string): void {
  const fault = findLogFolderFault(logPath, gitDir);
  if (fault !== null) throw fault;
}

/** The error handler for a log, or a file beside it, that cannot be created or opened. */
export function notWritable(logPath: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw noLogFile(logPath, cause);
  };
}

function noLogFile(logPath: string, cause: NodeJS.ErrnoException): BridgeError {
  return new BridgeError(`cannot write to ${logPath} (${cause.code ?? cause.message})`, {
    code: 'no-log-file',
    remedy: 'see that its folder exists and that the owner of the bridge may write there (bridge.answersLog)',
    cause,
  });
}

function findOpenLogFolder(logPath: string, gitDir: string): OpenFolder | BridgeError | null {
  try {
    return findOpenFolder(logPath, gitDir);
  } catch (error) {
    return noLogFile(logPath, error as NodeJS.ErrnoException);
  }
}
