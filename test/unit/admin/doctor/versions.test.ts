import { expect, test } from 'vitest';
import { judgeGit } from '../../../../src/admin/doctor/check-git.js';
import { judgeSshClient, judgeSshServer } from '../../../../src/admin/doctor/check-ssh-version.js';

test.each([
  ['git version 2.39.5', 'ok'],
  ['git version 2.39.5 (Apple Git-154)', 'ok'],
  ['git version 2.51.0', 'ok'],
  ['git version 3.0.0', 'ok'],
  ['git version 2.39.2', 'warning'],
  ['git version 2.45.0.windows.1', 'warning'],
  ['git version 2.47.0.windows.1', 'broken'],
  ['git version 2.47.0.windows.2', 'ok'],
  ['git version 2.34.1', 'broken'],
  ['git version 1.8.3.1', 'broken'],
  ['something else', 'broken'],
])('%s is %s', (text, status) => {
  expect(judgeGit(text).status).toBe(status);
});

test.each([
  ['OpenSSH_9.2p1 Debian-2+deb12u7, OpenSSL 3.0.17 1 Jul 2025', 'ok'],
  ['OpenSSH_10.0p2, LibreSSL 4.1.0', 'ok'],
  ['OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2', 'ok'],
  ['OpenSSH_for_Windows_7.7p1, LibreSSL 2.6.5', 'broken'],
  ['OpenSSH_7.4p1, OpenSSL 1.0.2k-fips', 'broken'],
  ['Plink: Release 0.78', 'ok'],
])('the client %s is %s', (text, status) => {
  expect(judgeSshClient(text).status).toBe(status);
});

test.each([
  ['SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7', 'ok'],
  ['SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2', 'warning'],
  ['SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.13', 'ok'],
  ['SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13', 'ok'],
  ['SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.2', 'warning'],
  ['SSH-2.0-OpenSSH_9.7', 'warning'],
  ['SSH-2.0-OpenSSH_9.8', 'ok'],
  ['SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3', 'ok'],
  ['SSH-2.0-OpenSSH_6.6.1', 'broken'],
  ['SSH-2.0-dropbear_2022.83', 'ok'],
])('the server %s is %s', (banner, status) => {
  expect(judgeSshServer(banner).status).toBe(status);
});
