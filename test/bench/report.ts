import type { Summary } from './statistics.js';

/** One line of the table. */
export interface Figure {
  /** Which row of the benchmark it belongs to: what `--row` takes. */
  readonly row: string;
  readonly what: string;
  readonly unit: 'ms' | 's' | 'answers/s' | 'pushes/s' | 'asks/s' | 'MB' | '×' | 'fetches' | 'processes' | '';
  readonly value: Summary;
  /** What it was held against in the same run. */
  readonly against?: string;
  /** What it was to reach, in words; absent where it is only told. */
  readonly target?: string;
  readonly reached?: boolean;
}

/** Where the figures are from. */
export interface MachineDescription {
  readonly date: string;
  readonly cpu: string;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  readonly git: string;
  readonly ssh: string;
}

/** A whole run of the benchmark. */
export interface Report {
  readonly machine: MachineDescription;
  readonly figures: readonly Figure[];
  /** Rows that did not come to an end, and why. */
  readonly failures: readonly { readonly row: string; readonly why: string }[];
}

/** The report as a Markdown table, as it stands in the README. */
export function asMarkdown(report: Report): string {
  const head = ['what', 'median', 'p95', 'against', 'to reach', ''];
  const rows = cells(report);
  const width = (column: number) => Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? '').length));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(width(column))).join(' | ')} |`;
  const rule = `| ${head.map((_, column) => '-'.repeat(width(column))).join(' | ')} |`;
  return `${[describe(report.machine), '', line(head), rule, ...rows.map(line)].join('\n')}\n`;
}

/** The same for a terminal. */
export function asText(report: Report): string {
  const rows = cells(report);
  const width = (column: number) => Math.max(0, ...rows.map((row) => (row[column] ?? '').length));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 2 ? cell.padStart(width(column)) : cell.padEnd(width(column)),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${[describe(report.machine), '', ...lines].join('\n')}\n`;
}

function cells(report: Report): string[][] {
  const figures = report.figures.map((figure) => [
    figure.what,
    format(figure.value.median, figure.unit),
    figure.value.count > 1 ? format(figure.value.p95, figure.unit) : '',
    figure.against ?? '',
    figure.target ?? '',
    figure.reached === undefined ? '' : figure.reached ? 'reached' : 'missed',
  ]);
  const failures = report.failures.map(({ row, why }) => [`${row}: ${why}`, '', '', '', '', 'failed']);
  return [...figures, ...failures];
}

function describe({ date, cpu, memory, system, node, git, ssh }: MachineDescription): string {
  return `${date}: ${cpu}, ${memory}, ${system}, Node ${node}, git ${git}, ${ssh}; client and server on one machine, over loopback.`;
}

function format(value: number, unit: Figure['unit']): string {
  if (Number.isNaN(value)) return 'none';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return unit === 'fetches' || unit === 'processes'
    ? `${Number(value.toFixed(1))}`
    : `${value.toFixed(digits)}${unit === '' ? '' : ` ${unit}`}`;
}
