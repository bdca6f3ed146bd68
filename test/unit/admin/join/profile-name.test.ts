import { describe, expect, test } from 'vitest';
import { isSameBridge, plainName, profileFor } from '../../../../src/admin/join/profile-name.js';

const HOME = 'ssh://bridge@srv.home.example/srv/llm-bridge/bridge.git';
const CLUB = 'ssh://bridge@srv.club.example/srv/llm-bridge/bridge.git';

describe('the name by which a bridge is saved', () => {
  const saved = { srv: { repo: HOME, identity: '/home/me/.ssh/llm-bridge-srv' } };

  test('is that of its server', () => {
    expect(profileFor({ profiles: {} }, 'srv', HOME)).toEqual({ name: 'srv', before: null });
  });

  test('has a number where another server of that short name has the word', () => {
    expect(profileFor({ profiles: saved }, 'srv', CLUB)).toEqual({ name: 'srv-2', before: null });
    const more = { ...saved, 'srv-2': { repo: `${CLUB}x` } };
    expect(profileFor({ profiles: more }, 'srv', CLUB)).toEqual({ name: 'srv-3', before: null });
  });

  test('is the one that it has, whoever chose it and with whatever number', () => {
    for (const name of ['srv', 'srv-2', 'club']) {
      const profiles = { ...saved, other: { repo: `${CLUB}x` }, [name]: { repo: CLUB } };
      expect(profileFor({ profiles }, 'srv', CLUB)).toEqual({ name, before: { repo: CLUB } });
    }
  });

  test('has at most the 64 characters of a name', () => {
    const long = 'a'.repeat(64);
    const { name } = profileFor({ profiles: { [long]: { repo: HOME } } }, long, CLUB);
    expect(name).toBe(`${'a'.repeat(58)}-2`);
  });
});

test.each([
  ['bridge@server:/srv/b.git', 'ssh://bridge@server/srv/b.git', true],
  ['ssh://bridge@server:22/srv/b.git', 'ssh://bridge@server/srv/b.git', true],
  ['bridge@[server:2222]:/srv/b.git', 'ssh://bridge@server:2222/srv/b.git', true],
  ['bridge@[::1]:/srv/b.git', 'ssh://bridge@[::1]/srv/b.git', true],
  ['ssh://bridge@server/srv/мой мост.git', 'ssh://bridge@server/srv/%D0%BC%D0%BE%D0%B9%20мост.git', true],
  ['ssh://bridge@server:2222/srv/b.git', 'ssh://bridge@server/srv/b.git', false],
  ['ssh://bridge@server/srv/b.git', 'ssh://me@server/srv/b.git', false],
  ['ssh://bridge@server/srv/b.git', 'ssh://bridge@server/srv/c.git', false],
  ['/srv/b.git', '/srv/b.git', false],
  ['::', '::', false],
])('%s and %s are one bridge: %s', (one, other, isOne) => {
  expect(isSameBridge(one, other)).toBe(isOne);
});

test.each([
  ['server.example.org', 'server'],
  ['my server', 'my-server'],
  ['_дом', 'bridge'],
  ['', 'bridge'],
])('the name of %j for a profile is %j', (text, name) => {
  expect(plainName(text, 'bridge')).toBe(name);
});
