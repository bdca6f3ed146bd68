import { describe, expect, test } from 'vitest';
import {
  ApiError,
  errorBody,
  errorEvent,
  errorHeaders,
  errorOfAnswer,
} from '../../../src/gateway/api-errors.js';
import { apiFormOf, asksForStream } from '../../../src/gateway/api-form.js';
import { ANSWER_ERROR_CODES } from '../../../src/protocol/answer.js';
import { REQUEST_PATHS } from '../../../src/protocol/request.js';

const TASK = '3f2a1b9c'.repeat(5);

const missing = new ApiError('no agent has the model x', {
  status: 404,
  code: 'model_not_found',
  param: 'model',
});

test('a path is of the API that has it, and a shared one of the API that its headers speak', () => {
  expect(apiFormOf({ path: '/v1/chat/completions' })).toBe('v1');
  expect(apiFormOf({ path: '/nothing' })).toBe('v1');
  expect(apiFormOf({ path: '/v1/messages/count_tokens' })).toBe('messages');
  expect(apiFormOf({ path: '/v1/messagesX' })).toBe('v1');
  expect(apiFormOf({ path: '/v1/models', saysVersion: true })).toBe('messages');
  expect(apiFormOf({ path: '/api/tags' })).toBe('api');
  expect(apiFormOf({ path: '/' })).toBe('api');
  expect(apiFormOf({ path: '/apis' })).toBe('v1');
});

test('stream follows the body, by the default of its API', () => {
  expect(asksForStream('/api/chat', {})).toBe(true);
  expect(asksForStream('/api/generate', { stream: null })).toBe(true);
  expect(asksForStream('/api/chat', { stream: false })).toBe(false);
  const byDefault = REQUEST_PATHS.filter((path) => asksForStream(path, {}));
  expect(byDefault.sort()).toEqual(['/api/chat', '/api/generate']);
  expect(asksForStream('/v1/chat/completions', { stream: null })).toBe(false);
  expect(asksForStream('/v1/messages', { stream: true })).toBe(true);
});

describe('an error', () => {
  test('has the form of each API', () => {
    expect(errorBody('v1', missing)).toEqual({
      error: {
        message: 'no agent has the model x',
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
    });
    expect(errorBody('messages', missing)).toEqual({
      type: 'error',
      error: { type: 'not_found_error', message: 'no agent has the model x' },
    });
    expect(errorBody('api', missing)).toEqual({ error: 'no agent has the model x' });
  });

  test.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [413, 'request_too_large'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [503, 'overloaded_error'],
  ])('of status %i has a type that says it: %s', (status, type) => {
    expect(errorBody('messages', new ApiError('x', { status }))).toMatchObject({ error: { type } });
  });

  test('in a stream is the last event, whole', () => {
    expect(errorEvent('api', '/api/chat', missing)).toBe('{"error":"no agent has the model x"}\n');
    expect(errorEvent('messages', '/v1/messages', missing)).toMatch(/^event: error\ndata: \{.*\}\n\n$/);
    expect(errorEvent('v1', '/v1/chat/completions', missing)).toMatch(/^data: \{"error":\{.*\}\}\n\n$/);
    const [event, data] = errorEvent('v1', '/v1/responses', missing, 7).split('\n');
    expect(event).toBe('event: error');
    expect(JSON.parse(data?.slice('data: '.length) ?? '')).toEqual({
      type: 'error',
      code: 'model_not_found',
      message: 'no agent has the model x',
      param: 'model',
      sequence_number: 7,
    });
  });

  test('says whether to try again, because clients would try every 5xx twice more', () => {
    expect(errorHeaders(missing)).toEqual({ 'x-should-retry': 'false' });
    const asleep = new ApiError('x', { status: 503, retryAfterS: 1, task: TASK });
    expect(errorHeaders(asleep)).toEqual({ 'retry-after': '1', 'x-llm-bridge-task': TASK });
  });
});

describe('an error answer', () => {
  const of = (code: string, message = 'words') =>
    errorOfAnswer({ task_commit: TASK, error: { code, message } });

  test('names its task', () => {
    expect(of('timeout')).toMatchObject({ status: 504, code: 'timeout', task: TASK });
    expect(of('timeout').message).toBe('words (task 3f2a1b9c3f2a)');
  });

  test('is the client’s fault only where the client can mend it', () => {
    const statuses = ANSWER_ERROR_CODES.map((code) => [code, of(code).status] as const);
    expect(statuses.filter(([, status]) => status < 500).map(([code]) => code)).toEqual(
      [
        'model_not_found',
        'model_cannot_chat',
        'cloud_model',
        'context_overflow',
        'invalid_schema',
        'invalid_task',
        'wrong_model',
        'unknown_backend',
        'cancelled',
        'context_missing',
        'request_refused',
      ].sort((a, b) => ANSWER_ERROR_CODES.indexOf(a as never) - ANSWER_ERROR_CODES.indexOf(b as never)),
    );
    expect(of('a_code_of_later').status).toBe(502);
  });

  test('asks for another try only where a model server was away', () => {
    const retried = ANSWER_ERROR_CODES.filter((code) => of(code).retryAfterS !== null);
    expect(retried).toEqual(['backend_unreachable']);
  });

  test('names the field that an agent refused', () => {
    expect(of('request_refused', 'messages.0.content: an image by URL').param).toBe('messages.0.content');
    expect(of('request_refused', '???').param).toBeNull();
  });
});
