import { profilesFile, readProfiles, useProfile } from '../../bridge/profiles.js';
import { defineCommand } from '../command.js';
import { POSITIONALS } from '../options.js';
import { EXIT, printWarning } from '../print-error.js';

/** `llm-bridge use [profile]` */
export const useCommand = defineCommand({
  positionals: [POSITIONALS.profile],
  options: [],
  examples: [
    ['$0 use home', 'from now on, commands without --repo are about this bridge'],
    ['$0 use', 'the saved bridges; the one in use has a star'],
  ],
  async run({ profile }, { out, env }) {
    const file = profilesFile(env);
    if (profile !== undefined) await useProfile(file, profile);
    const { use, profiles } = readProfiles(file);
    const rows = Object.entries(profiles).filter(([name]) => profile === undefined || name === profile);
    for (const [name, { repo, identity }] of rows) {
      const key = identity === undefined ? '' : `\t${identity}`;
      await out.print(`${name === use ? '*' : ' '} ${name}\t${repo}${key}`);
    }
    if (rows.length === 0)
      printWarning(
        `no bridge is saved in ${file}`,
        'llm-bridge join ssh://bridge@server/srv/llm-bridge/bridge.git saves one',
      );
    return EXIT.done;
  },
});
