import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { installService, readService } from '../../../../src/admin/service/run-service.js';
import type { ServicePlan, ServiceScope, ServiceSpec } from '../../../../src/admin/service/service-spec.js';
import { tempDir } from '../../../support/temp-dir.js';

/** A service whose manager is there, and cannot be talked to from here. */
async function withoutSession(scope: ServiceScope) {
  const dir = await tempDir();
  const spec: ServiceSpec = {
    ...{ role: 'agent', name: 'llm-bridge-agent', scope, repo: 'bridge@server:/bridge.git' },
    ...{ command: ['/usr/bin/llm-bridge', 'agent'], path: null, envFile: path.join(dir, 'env') },
    ...{ writes: [], usesTmp: false, user: null },
  };
  const plan: ServicePlan = {
    probe: ['sh', '-c', 'echo "Failed to connect to bus: No medium found" >&2; exit 1'],
    files: [{ path: path.join(dir, 'llm-bridge-agent.service'), text: 'unit', encoding: 'utf8' }],
    install: [],
    uninstall: [],
    status: ['sh', '-c', 'echo active'],
    hint: null,
  };
  return { dir, spec, plan, env: { PATH: process.env.PATH ?? '' } };
}

// The probe is a script of sh.
describe.skipIf(process.platform === 'win32')('without a session', () => {
  test.each([
    ['user', /^sh has no session of this user .*: Failed to connect to bus/, /--system --user NAME/],
    ['system', /^sh is here, and its service manager does not run: Failed to connect/, /--print/],
  ] as const)(
    'of a service of the %s, install and status say so, and write nothing',
    async (scope, message, remedy) => {
      const { dir, spec, plan, env } = await withoutSession(scope);
      const refusal = {
        code: 'no-session',
        message: expect.stringMatching(message),
        remedy: expect.stringMatching(remedy),
      };
      await expect(installService(spec, plan, env)).rejects.toMatchObject(refusal);
      await expect(readService(spec, plan, env)).rejects.toMatchObject(refusal);
      expect(await readdir(dir)).toEqual([]);
    },
  );
});
