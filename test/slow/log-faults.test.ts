import { everyCall, testLogFaults } from '../support/log-faults.js';

testLogFaults(everyCall);
