import path from 'node:path';
import { expect, test } from 'vitest';
import { parseAddress } from '../../../src/bridge/address.js';

test.each([
  ['ssh://bridge@server/srv/b.git', 'bridge@server', null],
  ['ssh://server:2222/srv/b.git', 'server', '2222'],
  ['SSH://bridge@server:22/~/b.git', 'bridge@server', '22'],
  ['ssh://bridge@[::1]:2222/b.git', 'bridge@::1', '2222'],
  ['ssh://a%2Bb@server/b.git', 'a+b@server', null],
  ['bridge@server:/srv/b.git', 'bridge@server', null],
  ['server:b.git', 'server', null],
  ['server:~/b.git', 'server', null],
  ['bridge@[::1]:/b.git', 'bridge@::1', null],
  ['[fe80::1%eth0]:b.git', 'fe80::1%eth0', null],
  ['[server:2222]:/b.git', 'server', '2222'],
  ['bridge@[server:2222]:/b.git', 'bridge@server', '2222'],
  ['server:C:\\b.git', 'server', null],
])('%s is reached over ssh', (url, destination, port) => {
  expect(parseAddress(` ${url}\n`)).toEqual({ kind: 'ssh', url, destination, port });
});

test.each(['/srv/b.git', 'b.git', './a:b', 'dir/with:colon', '~/b.git', 'C:\\b.git', 'c:/b.git'])(
  '%s is a path on this machine',
  (text) => {
    expect(parseAddress(text)).toEqual({ kind: 'local', url: path.resolve(text) });
  },
);

test('a file:// address is a path, with its escapes read', () => {
  expect(parseAddress('file:///srv/my%20b.git')).toEqual({ kind: 'local', url: '/srv/my b.git' });
});

test.each(['https://host/b.git', 'http://host/b.git', 'git://host/b.git'])('%s is left to git', (url) => {
  expect(parseAddress(url)).toEqual({ kind: 'other', url });
});

test.each([
  ['https://name:s3cret@host/b.git', 'https://host/b.git', 'https://host', 'name', 's3cret'],
  ['https://:s3cret@host:8443/b.git', 'https://host:8443/b.git', 'https://host:8443', '', 's3cret'],
  ['http://a%40b:s3%2Fcret@host/b.git', 'http://host/b.git', 'http://host', 'a@b', 's3/cret'],
])('the password of %s stands beside the address', (text, url, origin, username, password) => {
  expect(parseAddress(text)).toEqual({
    ...{ kind: 'other', url },
    credentials: { origin, username, password },
  });
});

test('a name alone stays in the address', () => {
  expect(parseAddress('https://name@host/b.git')).toEqual({ kind: 'other', url: 'https://name@host/b.git' });
});

test.each([
  'ssh://name:s3cret@host/b.git',
  'htps://name:s3cret@host/b.git',
  'https://name:s3cret%0a@host/b.git',
  'https://name:s3cret@ho st/b.git',
])('what is wrong with %s is said without its password', (text) => {
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'usage' }));
  expect(() => parseAddress(text)).not.toThrow(/s3cret/);
});

test.each([
  '',
  '  ',
  '-oProxyCommand=touch x',
  '--upload-pack=x',
  'ssh://-oProxyCommand=x/b.git',
  'ssh://%2DoProxyCommand=x/b.git',
  'ssh://user@-oProxyCommand=x/b.git',
  'ssh://-l@server/b.git',
  '-oProxyCommand=x:b.git',
  'user@-oProxyCommand=x:b.git',
  '[-oProxyCommand=x]:b.git',
  '[-oProxyCommand=x:22]:b.git',
  'user@[-oProxyCommand=x:22]:b.git',
  'a;id:b.git',
  '$(id):b.git',
  '`id`@server:b.git',
  "a'b:b.git",
  'a b:b.git',
  'ext::sh -c id',
  'fd::3',
  'EXT::sh',
  'ftp://host/b.git',
  'ssh://',
  'ssh://server',
  'ssh://server/',
  'ssh://user:secret@server/b.git',
  'ssh://us%er@server/b.git',
  'ssh://user%ff@server/b.git',
  'ssh://server:99999/b.git',
  'file://server/b.git',
  'file:///%zz',
  'fe80::1:b.git',
])('%j is no address, and that is a wrong use', (text) => {
  expect(() => parseAddress(text)).toThrow(
    expect.objectContaining({ code: 'usage', remedy: expect.stringContaining('--repo ssh://') }),
  );
});
