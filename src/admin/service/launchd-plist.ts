import { describeService, INGEST_EVERY_S, type ServiceSpec, xmlComment, xmlText } from './service-spec.js';

/**
 * The property list for launchd. It has nothing like EnvironmentFile, so node reads the file itself
 * (`--env-file`, Node 20.6 and later), before the program begins.
 */
export function launchdPlist(spec: ServiceSpec, logFile: string): string {
  const [node, ...words] = spec.command;
  const command = [node, `--env-file=${spec.envFile}`, ...words];
  const entries = [
    ['Label', string(spec.name)],
    ['ProgramArguments', `<array>\n${command.map((word) => `    ${string(word)}\n`).join('')}  </array>`],
    ...(spec.path === null
      ? []
      : [['EnvironmentVariables', `<dict>\n    <key>PATH</key>\n    ${string(spec.path)}\n  </dict>`]]),
    ...(spec.user === null ? [] : [['UserName', string(spec.user)]]),
    ...(spec.role === 'ingest'
      ? [['StartInterval', `<integer>${INGEST_EVERY_S}</integer>`]]
      : [
          // Started again unless it ended well, and not more often than every ten seconds.
          ['KeepAlive', '<dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>'],
          ['ThrottleInterval', '<integer>10</integer>'],
        ]),
    ['RunAtLoad', '<true/>'],
    ['ProcessType', string('Background')],
    // 077 in octal: launchd takes a decimal.
    ['Umask', '<integer>63</integer>'],
    ['StandardOutPath', string(logFile)],
    ['StandardErrorPath', string(logFile)],
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    `<!-- ${xmlComment(describeService(spec))} -->`,
    '<plist version="1.0">',
    '<dict>',
    ...entries.map(([key, value]) => `  <key>${key}</key>\n  ${value}`),
    '</dict>',
    '</plist>',
    '',
  ].join('\n');
}

function string(text: string): string {
  return `<string>${xmlText(text)}</string>`;
}
