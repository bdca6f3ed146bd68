import os from 'node:os';
import { principalNameSchema } from '../protocol/names.js';

/** The name to ask by where no key gives one: the login name, as far as it is a name; else `asker`. */
export function loginName(): string {
  try {
    const name = os.userInfo().username.replace(/[^A-Za-z0-9._-]/g, '-');
    return principalNameSchema.safeParse(name).success ? name : 'asker';
  } catch {
    // A user id without a login, as in some containers.
    return 'asker';
  }
}
