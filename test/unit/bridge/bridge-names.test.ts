import { expect, test } from 'vitest';
import { bridgeNames } from '../../../src/bridge/bridge-names.js';

const given = (repo: string) => ({ repo, profile: null });

test.each([
  [
    'their profiles',
    [
      { repo: 'ssh://a/x.git', profile: 'home' },
      { repo: 'ssh://b/x.git', profile: 'club' },
    ],
    ['home', 'club'],
  ],
  ['the last part', [given('/srv/home.git'), given('ssh://u@server/srv/club.git/')], ['home', 'club']],
  [
    'a profile and the last part',
    [{ repo: 'ssh://a/x.git', profile: 'home' }, given('host:bridges/x.git')],
    ['home', 'x'],
  ],
  [
    'their hosts',
    [given('ssh://u@one.example:22/srv/bridge.git'), given('u@two.example:bridge.git')],
    ['one.example', 'two.example'],
  ],
  [
    'their addresses',
    [given('/srv/a/bridge.git'), given('/srv/b/bridge.git')],
    ['/srv/a/bridge.git', '/srv/b/bridge.git'],
  ],
])('several bridges are told apart by %s', (_what, bridges, names) => {
  expect(bridgeNames(bridges)).toEqual(names);
});

test('no password is a name', () => {
  const two = [given('https://me:secret@host/a/bridge.git'), given('https://me:secret@host/b/bridge.git')];
  expect(bridgeNames(two).join(' ')).not.toContain('secret');
});
