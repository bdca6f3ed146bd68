/** A time in the zone of this machine, as git writes it: `2026-11-27 06:12:03 +0300`. */
export function localTime(iso: string): string {
  const at = new Date(iso);
  const two = (value: number) => String(Math.trunc(value)).padStart(2, '0');
  const minutes = -at.getTimezoneOffset();
  const zone = `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}${two(Math.abs(minutes) % 60)}`;
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
}
