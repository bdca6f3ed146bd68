/** The kinds of image that every model server takes, in words. */
export const IMAGE_KINDS = 'PNG, JPEG, GIF or WebP';

/** The media type of an image by its first bytes: PNG, JPEG, GIF or WebP; null where it is none of them. */
export function imageMediaType(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'image/gif';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'image/webp';
  return null;
}

/**
 * What is wrong with the images of a task, in base64, for a sentence: `image 2 is no PNG, JPEG, GIF or
 * WebP`; null where nothing is.
 */
export function imageFault(images: readonly string[]): string | null {
  // Sixteen digits of base64 are the twelve bytes that tell.
  const at = images.findIndex((image) => imageMediaType(Buffer.from(image.slice(0, 16), 'base64')) === null);
  return at < 0 ? null : `image ${at + 1} is no ${IMAGE_KINDS}`;
}
