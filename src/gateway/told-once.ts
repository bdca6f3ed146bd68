/** Hands failures on, those that say the same in a row once: what is tried again fails again. */
export function toldOnce(tell: (error: unknown) => void): (error: unknown) => void {
  let told = '';
  return (error) => {
    const text = error instanceof Error ? error.message : String(error);
    if (text === told) return;
    told = text;
    tell(error);
  };
}
