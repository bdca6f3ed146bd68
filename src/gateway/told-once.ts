/** Hands failures on, but of several in a row with the same message only the first: tries are repeated. */
export function toldOnce(tell: (error: unknown) => void): (error: unknown) => void {
  let told = '';
  return (error) => {
    const text = error instanceof Error ? error.message : String(error);
    if (text === told) return;
    told = text;
    tell(error);
  };
}
