import { element } from './element.js';
import { cell, onBridge, row, showRows, table, type View } from './view.js';
import { duration, say } from './words.js';

/** An agent that runs has something to do or not: that is another word than for a task. */
const AGENT_STATES = { running: 'there', stopped: 'stoppedAgent', gone: 'gone' } as const;

/** The agents, and which models they have. */
export function openAgents(): View {
  const agents = element('tbody');
  const models = element('tbody');
  return {
    root: element(
      'section',
      { 'aria-label': say('agents') },
      table('agents', ['agent', 'state', 'seen', 'backends', 'busy'], agents),
      table('models', ['model', 'can', 'has', 'loaded'], models),
    ),
    show(state) {
      showRows(
        agents,
        state.agents.map((agent) =>
          row(
            onBridge(agent.name, agent),
            cell('agent', onBridge(agent.name, agent)),
            cell('state', say(AGENT_STATES[agent.state])),
            cell('seen', duration(agent.age_ms)),
            cell('backends', agent.backends.join(', ')),
            cell('busy', String(agent.busy.length)),
          ),
        ),
      );
      showRows(
        models,
        state.models.map((model) =>
          row(
            model.name,
            cell('model', model.name),
            cell('can', model.can.join(', ')),
            cell('has', model.agents.join(', ')),
            cell('loaded', say(model.loadedUntilMs === null ? 'no' : 'yes')),
          ),
        ),
      );
    },
  };
}
