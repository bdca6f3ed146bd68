import { describeService, INGEST_EVERY_S, type ServiceSpec, xmlText } from './service-spec.js';

/**
 * The definition for the Task Scheduler of Windows. The service starts at every logon of this user, or with
 * the machine (the upkeep of the log: every few minutes), has no time limit, and starts again a minute after
 * it failed. A task has no variables of its own, so node reads the file itself (`--env-file`).
 */
export function taskXml(spec: ServiceSpec): string {
  const [node, ...words] = spec.command;
  const args = [`--env-file=${spec.envFile}`, ...words].map(windowsWord).join(' ');
  const isTimed = spec.role === 'ingest';
  const trigger = isTimed
    ? [
        '    <TimeTrigger>',
        `      <Repetition><Interval>PT${INGEST_EVERY_S / 60}M</Interval></Repetition>`,
        '      <StartBoundary>2026-01-01T00:00:00</StartBoundary>',
        '    </TimeTrigger>',
      ]
    : [spec.scope === 'system' ? '    <BootTrigger/>' : '    <LogonTrigger/>'];
  return [
    '<?xml version="1.0" encoding="UTF-16"?>',
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    `  <RegistrationInfo><Description>${xmlText(describeService(spec))}</Description></RegistrationInfo>`,
    '  <Triggers>',
    ...trigger,
    '  </Triggers>',
    '  <Principals>',
    '    <Principal id="Author">',
    ...(spec.scope === 'system'
      ? ['      <UserId>S-1-5-19</UserId>']
      : ['      <LogonType>InteractiveToken</LogonType>']),
    '      <RunLevel>LeastPrivilege</RunLevel>',
    '    </Principal>',
    '  </Principals>',
    '  <Settings>',
    '    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>',
    '    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>',
    '    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>',
    '    <StartWhenAvailable>true</StartWhenAvailable>',
    '    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>',
    '    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>',
    '  </Settings>',
    '  <Actions Context="Author">',
    '    <Exec>',
    `      <Command>${xmlText(node)}</Command>`,
    `      <Arguments>${xmlText(args)}</Arguments>`,
    '    </Exec>',
    '  </Actions>',
    '</Task>',
    '',
  ].join('\r\n');
}

/**
 * A word as a program of Windows reads it back: quoted, with the backslashes in front of a quote doubled.
 */
export function windowsWord(word: string): string {
  if (/^[^\s"]+$/.test(word)) return word;
  return `"${word.split('"').map(withEndDoubled).join('\\"')}"`;
}

function withEndDoubled(text: string): string {
  let end = text.length;
  while (text[end - 1] === '\\') end -= 1;
  return text + text.slice(end);
}
