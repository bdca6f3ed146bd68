/**
 * Whether a name is that of a model which only makes embeddings, for servers that say nothing else of it:
 * `text-embedding-…` in LM Studio, `nomic-embed-text`, `Qwen3-Embedding-8B`.
 */
export function isEmbeddingName(model: string): boolean {
  return /(?:^|[-_/.])embed(?:ding)?s?(?:[-_/.:@]|$)/i.test(model);
}
