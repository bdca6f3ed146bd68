import { expect, test } from 'vitest';
import { becomeUser } from '../../../src/admin/become-owner.js';

/** What @types/node does not list. */
const own = process as { initgroups?: unknown };

test('a Node that changes no user, as Debian’s own, is told with the line that the owner is to run', () => {
  const { initgroups } = own;
  // As Node 20.19 says it where it uses the libuv of its system.
  const words = 'initgroups() disabled: io_uring may be enabled. See CVE-2024-22017.';
  own.initgroups = () => {
    throw Object.assign(new Error(words), { code: 'ERR_INVALID_STATE' });
  };
  try {
    expect(() => becomeUser({ uid: 999, gid: 995 }, {}, ['init', "/srv/a b's/bridge.git"])).toThrow(
      expect.objectContaining({
        code: 'other-owner',
        message: `cannot become the user with the id 999: ${words}`,
        remedy: `su "$(id -nu 999)" -c 'llm-bridge init '\\''/srv/a b'\\''\\'\\'''\\''s/bridge.git'\\'''`,
      }),
    );
  } finally {
    own.initgroups = initgroups;
  }
});
