import { expect, test } from 'vitest';
import {
  SERVICE_ROLES,
  type ServiceRole,
  type ServiceSpec,
} from '../../../../src/admin/service/service-spec.js';
import { systemdService } from '../../../../src/admin/service/systemd-unit.js';

/** The lines of the unit of a service of the machine that may write into a bridge. */
function linesOf(role: ServiceRole): string[] {
  const spec: ServiceSpec = {
    ...{ role, name: `llm-bridge-${role}`, scope: 'system', repo: '/srv/bridge.git', user: '994' },
    ...{
      command: ['/usr/bin/node', '/opt/llm-bridge.js', role],
      path: null,
      envFile: '/etc/llm-bridge/a.env',
    },
    ...{ writes: ['/srv/bridge.git'], usesTmp: false },
  };
  return systemdService(spec).split('\n');
}

/** What keeps a service, and all that it starts, from what its user may do. */
const SANDBOX =
  /^(?:NoNewPrivileges|Restrict\w+|Lock\w+|SystemCall\w+|UMask|Protect\w+|Private\w+|CapabilityBoundingSet|ReadWritePaths)=/;

test('what is run for an answer goes on after the ingest that a timer starts, and may do what it may after a push', () => {
  const lines = linesOf('ingest');

  expect(lines).toContain('KillMode=process');
  expect(lines.filter((line) => SANDBOX.test(line))).toEqual([]);
});

test.each(SERVICE_ROLES.filter((role) => role !== 'ingest'))(
  '%s has a sandbox, and nothing that it started goes on after it',
  (role) => {
    const lines = linesOf(role);

    expect(lines).toContain('KillMode=mixed');
    for (const line of ['NoNewPrivileges=true', 'ProtectSystem=strict', 'ReadWritePaths=/srv/bridge.git'])
      expect(lines).toContain(line);
    expect(lines.filter((line) => SANDBOX.test(line)).length).toBeGreaterThan(15);
  },
);
