import { oneOfEachKind, testLogFaults } from '../../support/log-faults.js';

// test/slow/log-faults.test.ts has every call with every fault.
testLogFaults(oneOfEachKind);
