import type { BenchOptions } from './bench-options.js';
import type { Lab, LabBridge, Program } from './lab.js';
import type { Figure } from './report.js';

/** What a row measures with. */
export interface RowContext {
  readonly lab: Lab;
  readonly program: Program;
  readonly options: BenchOptions;
  /** A bridge with a short history (100 answered tasks), its log in order. Made again at every call. */
  shortBridge(name: string): Promise<LabBridge>;
  /** The bridge with the long history, made once. */
  longBridge(): Promise<LabBridge>;
}

/** Measures one row. */
export type Row = (context: RowContext) => Promise<Figure[]>;
