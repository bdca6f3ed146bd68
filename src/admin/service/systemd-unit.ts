import { describeService, INGEST_EVERY_S, type ServiceSpec } from './service-spec.js';

/**
 * What a service may not do, without a mount namespace. A user's manager can only make one together with a
 * user namespace, where files of root belong to nobody, and ssh then refuses what `/etc/ssh/ssh_config`
 * includes ("Bad owner or permissions"). MemoryDenyWriteExecute stays out: node compiles at run time.
 * AF_NETLINK is what getaddrinfo asks for the addresses of the machine.
 */
const SANDBOX = [
  'NoNewPrivileges=true',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'RestrictNamespaces=true',
  'RestrictRealtime=true',
  'LockPersonality=true',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
  'UMask=0077',
];

/** What is added for a service of the machine. */
const SYSTEM_SANDBOX = [
  'ProtectSystem=strict',
  'ProtectHome=read-only',
  'PrivateDevices=true',
  'ProtectClock=true',
  'ProtectControlGroups=true',
  'ProtectHostname=true',
  'ProtectKernelLogs=true',
  'ProtectKernelModules=true',
  'ProtectKernelTunables=true',
  'CapabilityBoundingSet=',
];

/** The `.service` file. */
export function systemdService(spec: ServiceSpec): string {
  const isSystem = spec.scope === 'system';
  const isOneShot = spec.role === 'ingest';
  const lines = [
    '# Written by "llm-bridge service install", which writes it again at every run. Changes belong into a drop-in:',
    `# systemctl ${isSystem ? '' : '--user '}edit ${spec.name}`,
    '[Unit]',
    `Description=${systemdText(describeService(spec))}`,
    ...(isSystem ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    // A PC may be without its server for days: systemd must not give up starting it.
    ...(isOneShot ? [] : ['StartLimitIntervalSec=0']),
    '',
    '[Service]',
    `Type=${isOneShot ? 'oneshot' : 'simple'}`,
    `ExecStart=${spec.command.map(execWord).join(' ')}`,
    ...(spec.path === null ? [] : [`Environment=${quoted(systemdText(`PATH=${spec.path}`))}`]),
    `EnvironmentFile=${systemdText(spec.envFile)}`,
    ...(spec.user === null ? [] : [`User=${spec.user}`]),
    ...(isOneShot
      ? // It starts what `on-answer.d` has for new answers, and ends before that does.
        ['TimeoutStartSec=10min', 'KillMode=process']
      : [
          'Restart=on-failure',
          'RestartSec=10',
          // Wrong use: it would end in the same way again.
          'RestartPreventExitStatus=2',
          // The program ends its own ssh and git; what is left after that is killed.
          'KillMode=mixed',
          // For the socket of its connection. What is killed removes nothing, and systemd removes this.
          `RuntimeDirectory=${spec.name}`,
          'RuntimeDirectoryMode=0700',
          'TimeoutStopSec=20',
        ]),
    ...(isOneShot ? [] : sandboxLines(spec)),
    ...(isOneShot ? [] : ['', '[Install]', `WantedBy=${isSystem ? 'multi-user' : 'default'}.target`]),
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * The sandbox of every service but `ingest`: an executable in `on-answer.d` may write where its owner may,
 * and call sendmail, whether a push or the timer starts it.
 */
function sandboxLines(spec: ServiceSpec): string[] {
  return [
    ...SANDBOX,
    // git gives the folders of a bridge the set-group-id bit, which this forbids.
    ...(spec.writes.length === 0 ? ['RestrictSUIDSGID=true'] : []),
    ...(spec.scope === 'system' ? systemLines(spec) : []),
  ];
}

function systemLines(spec: ServiceSpec): string[] {
  return [
    ...SYSTEM_SANDBOX,
    `PrivateTmp=${spec.usesTmp ? 'false' : 'true'}`,
    // Made by systemd and given to the user, whatever ProtectSystem says.
    ...(spec.role === 'agent' ? [`StateDirectory=${spec.name}`, 'StateDirectoryMode=0700'] : []),
    ...spec.writes.map((folder) => `ReadWritePaths=${quoted(systemdText(folder))}`),
    // Whoever removes it takes away what is in it, and not the service.
    ...(spec.data === undefined ? [] : [`ReadWritePaths=${quoted(systemdText(`-${spec.data.path}`))}`]),
  ];
}

/** The `.timer` file that starts it every few minutes. */
export function systemdTimer(spec: ServiceSpec): string {
  return [
    '[Unit]',
    `Description=${systemdText(describeService(spec))}`,
    '',
    '[Timer]',
    'OnBootSec=2min',
    `OnUnitActiveSec=${INGEST_EVERY_S}s`,
    'RandomizedDelaySec=30s',
    '',
    '[Install]',
    'WantedBy=timers.target',
    '',
  ].join('\n');
}

/** A word of a command line: quoted, and neither a specifier (%) nor a variable ($) in it is expanded. */
function execWord(word: string): string {
  return quoted(systemdText(word).replaceAll('$', '$$$$'));
}

/** A text as it stands in a unit, outside quotes. */
export function systemdText(text: string): string {
  return text.replaceAll('%', '%%');
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./@=:,+%$-]+$/.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&')}"`;
}
