/** Init, and key add with it, look at dozens of settings, one git each: of a row of those the first and the last will do. Numbers from 1. */
export function stepsToTry(steps: readonly string[]): number[] {
  const isSetting = (step: string | undefined) => step !== undefined && / config /.test(step);
  const all = steps.map((_step, index) => index);
  const inRow = (index: number) => isSetting(steps[index - 1]) && isSetting(steps[index + 1]);
  return all.filter((index) => !(isSetting(steps[index]) && inRow(index))).map((index) => index + 1);
}
