import { backendTitles } from '../agent/backends/backends.js';
import type { CommandEntry } from './command.js';

/**
 * All commands, in the order in which `--help` lists them. A new command is a file in `commands/` and a line
 * here; a test compares this list with that folder.
 */
export const COMMANDS: readonly CommandEntry[] = [
  {
    usage: 'init <repo>',
    describe: 'Make a bridge repository, or upgrade the hooks and settings of one',
    load: async () => (await import('./commands/init.js')).initCommand,
  },
  {
    usage: 'key',
    describe: 'Let SSH keys into the bridge, list them, shut them out',
    load: async () => (await import('./commands/key.js')).keyCommand,
  },
  {
    usage: 'token',
    describe: 'Let programs call the gateway with a token, list the tokens, remove them',
    load: async () => (await import('./commands/token.js')).tokenCommand,
  },
  {
    usage: 'join <address>',
    describe: 'Let this machine into a bridge, step by step, and save its address',
    load: async () => (await import('./commands/join.js')).joinCommand,
  },
  {
    usage: 'use [profile]',
    describe: 'Say which saved bridge counts where none is named, or list those there are',
    load: async () => (await import('./commands/use.js')).useCommand,
  },
  {
    usage: 'ask [prompt..]',
    describe: 'Ask, wait, and print the answer',
    load: async () => (await import('./commands/ask.js')).askCommand,
  },
  {
    usage: 'chat',
    describe: 'Ask one question after the other, as a conversation',
    load: async () => (await import('./commands/chat.js')).chatCommand,
  },
  {
    usage: 'answer <task>',
    describe: 'Print the answer to a task that was asked before',
    load: async () => (await import('./commands/answer.js')).answerCommand,
  },
  {
    usage: 'cancel <task>',
    describe: 'Cancel a task that is not answered yet',
    load: async () => (await import('./commands/cancel.js')).cancelCommand,
  },
  {
    usage: 'batch',
    describe: 'List, show and cancel batches (ask --batch), and print their results',
    load: async () => (await import('./commands/batch.js')).batchCommand,
  },
  {
    usage: 'watch <file>',
    describe: 'Ask whatever a program writes into a file, at every change of it',
    load: async () => (await import('./commands/watch.js')).watchCommand,
  },
  {
    usage: 'agent',
    describe: `Answer what is asked, with ${backendTitles()} on this machine`,
    load: async () => (await import('./commands/agent.js')).agentCommand,
  },
  {
    usage: 'wake',
    describe: 'Wake the PC that can answer what waits, from something small that is always on',
    load: async () => (await import('./commands/wake.js')).wakeCommand,
  },
  {
    usage: 'serve',
    describe: 'Answer HTTP clients of the usual APIs, on this machine, through the bridge',
    load: async () => (await import('./commands/serve.js')).serveCommand,
  },
  {
    usage: 'list',
    describe: 'List the tasks: pending, running and done',
    load: async () => (await import('./commands/list.js')).listCommand,
  },
  {
    usage: 'models',
    describe: 'List the models that agents have, and where each is',
    load: async () => (await import('./commands/models.js')).modelsCommand,
  },
  {
    usage: 'log',
    describe: 'Print the answers so far, the oldest first',
    load: async () => (await import('./commands/log.js')).logCommand,
  },
  {
    usage: 'stats',
    describe: 'Show how much was answered, how long it took and how fast it was',
    load: async () => (await import('./commands/stats.js')).statsCommand,
  },
  {
    usage: 'status',
    describe: 'Show what is pending and what was answered',
    load: async () => (await import('./commands/status.js')).statusCommand,
  },
  {
    usage: 'ingest',
    describe: 'Bring answers.log up to date with history, as the hook does',
    load: async () => (await import('./commands/ingest.js')).ingestCommand,
  },
  {
    usage: 'verify',
    describe: 'Compare answers.log with history, record by record',
    load: async () => (await import('./commands/verify.js')).verifyCommand,
  },
  {
    usage: 'doctor',
    describe: 'Find what is wrong, and say what to do about it',
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
  },
  {
    usage: 'service',
    describe: 'Run the agent, the gateway, a watcher, what wakes a PC, or the upkeep of the log as a service',
    load: async () => (await import('./commands/service.js')).serviceCommand,
  },
  {
    usage: 'demo',
    describe: 'The whole bridge on this machine, in a temporary folder',
    load: async () => (await import('./commands/demo.js')).demoCommand,
  },
];
