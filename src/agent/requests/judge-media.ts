import { IMAGE_KINDS, imageMediaType } from '../../protocol/image-type.js';
import type { MediaField } from './field.js';

/**
 * The judgement of a picture, a sound or a file: as it is passed on, or what is wrong with it, for a
 * sentence.
 */
export type JudgedMedia =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly fault: string };

/** The head of a data URL. The caller wrote what stands before `;base64`, and nobody else checks it. */
const DATA_URL = /^data:([A-Za-z0-9.+-]{1,64}\/[A-Za-z0-9.+-]{1,64})?(?:;[A-Za-z0-9=._-]{1,64}){0,4};base64,/;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * Judges a picture, a sound or a file: it has to be in the call. An address would be fetched by the model
 * server, in the owner's own network; a path would be read from the owner's disk. A picture is known by its
 * first bytes, and its data URL is written again with the type that they say.
 */
export function judgeMedia({ what, as }: MediaField, value: string): JudgedMedia {
  const head = DATA_URL.exec(value);
  if (head === null && as === 'url') {
    return { ok: false, fault: `is an address; this agent fetches nothing: send it as data:…;base64,…` };
  }
  if (head !== null && as === 'base64') {
    return { ok: false, fault: 'is a data URL; this API takes base64 alone' };
  }
  const digits = head === null ? value : value.slice(head[0].length);
  if (!BASE64.test(digits))
    return { ok: false, fault: 'is no base64; this agent reads no addresses and no paths' };
  if (what === 'file') return { ok: true, value };
  if (what === 'audio') {
    const isSound = isAudio(Buffer.from(digits.slice(0, 16), 'base64'));
    return isSound ? { ok: true, value } : { ok: false, fault: 'is no WAV and no MP3' };
  }
  const type = imageMediaType(Buffer.from(digits.slice(0, 16), 'base64'));
  if (type === null) return { ok: false, fault: `is no ${IMAGE_KINDS}` };
  return { ok: true, value: head === null ? digits : `data:${type};base64,${digits}` };
}

/** Whether the first bytes are those of a sound. That it is base64 does not tell: a path may be as well. */
function isAudio(bytes: Buffer): boolean {
  const head = bytes.toString('latin1');
  if (head.startsWith('RIFF') && head.slice(8, 12) === 'WAVE') return true;
  return head.startsWith('ID3') || (bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0);
}
