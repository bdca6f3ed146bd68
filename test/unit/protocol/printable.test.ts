import { expect, test } from 'vitest';
import { joinLines, oneLine, stripControls } from '../../../src/protocol/printable.js';

test('one line is one line: white space and control characters become one space', () => {
  expect(oneLine('\n a\r\n\tb\u2028c\u0085d\u001b[2Je\u202ef \u00a0 ')).toBe('a b c d [2Je f');
  expect(oneLine('Привет 😀 é')).toBe('Привет 😀 é');
});

test('lines are joined by one space, blank ones left out, and white space in a line stays', () => {
  expect(joinLines(' a  b \r\n\n \t c\n')).toBe('a  b c');
  expect(joinLines(' \n ')).toBe('');
});

test('on a terminal line breaks and tabs stay, and nothing else that moves the cursor', () => {
  expect(stripControls('a\n\tb\r\u001b[31mc\u009b1md\u0007\u202ee\ufeff\u2028\u2029\u0085')).toBe(
    'a\n\tb[31mc1mde',
  );
});
