import { expect, test } from 'vitest';
import { parseSshd, sshdHint } from '../../../src/admin/sshd-hint.js';

const hint = (...lines: string[]) => sshdHint(parseSshd(['port 22', ...lines, ''].join('\n')), 'bridge');

test('who is let in alone is said with what to do', () => {
  // As sshd -T of OpenSSH 10 prints a list: a line for each.
  expect(hint('allowusers you', 'allowusers pc@192.0.2.*')).toBe(
    'sshd lets in nobody but you, pc@192.0.2.*: add bridge to AllowUsers (grep -rwi AllowUsers /etc/ssh says where), and reload sshd',
  );
  expect(hint('allowgroups ssh-users')).toBe(
    'sshd lets in the groups ssh-users alone: add bridge to one of them, or to AllowGroups',
  );
  expect(hint('pubkeyauthentication no')).toBe('sshd takes no keys: set "PubkeyAuthentication yes"');
});

test.each([
  [[]],
  [['pubkeyauthentication yes']],
  [['allowusers you', 'allowusers bridge']],
  [['allowusers bridge@192.0.2.*']],
  [['allowusers br*']],
  [['allowgroups you bridge']],
])('nothing is said where nothing speaks against it: %j', (lines) => {
  expect(hint(...lines)).toBeNull();
});

test('where sshd cannot be asked, nothing is known', () => {
  expect(parseSshd('').size).toBe(0);
  expect(parseSshd('port 22\nport 2222\n').get('port')).toBe('2222');
});
