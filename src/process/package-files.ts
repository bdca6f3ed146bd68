import { fileURLToPath } from 'node:url';

/** Where the files lie that this package brings along; absolute paths. */
export const PACKAGE_FILES = {
  /** The sh stubs and ssh-command, as templates. */
  hooks: fileURLToPath(new URL('../../hooks/', import.meta.url)),
  /** What the first commit of a bridge holds. */
  template: fileURLToPath(new URL('../../bridge-repo-template/', import.meta.url)),
  /** The built hook programs. */
  preReceive: fileURLToPath(new URL('../hooks/pre-receive.cjs', import.meta.url)),
  postReceive: fileURLToPath(new URL('../hooks/post-receive.cjs', import.meta.url)),
  standby: fileURLToPath(new URL('../hooks/standby.cjs', import.meta.url)),
  onAnswer: fileURLToPath(new URL('../hooks/on-answer.cjs', import.meta.url)),
} as const;
