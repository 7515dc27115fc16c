/** Numbers as people write them. */

/** Bytes in the unit that gives two or three digits: `23 MB`. Decimal, as disks and downloads are sold. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** How much of how much, in one unit: `4.5 of 23 MB`. */
export function bytesOf(done, total) {
  const [whole, unit] = bytes(total).split(" ");
  const part = done / (total / Number(whole) || 1);
  return `${part.toFixed(total > 0 && part < 9.95 ? 1 : 0)} of ${whole} ${unit}`;
}

/** A duration: `0.8 s`, `12 s`, `3 min 20 s`, `1 h 5 min`. */
export function duration(secs) {
  if (secs < 9.95) return `${secs.toFixed(1)} s`;
  const whole = Math.round(secs);
  if (whole < 100) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Time that is left, which is too uncertain for decimals. */
export function left(secs) {
  if (!Number.isFinite(secs)) return "";
  if (secs < 1.5) return "a moment left";
  return `${secs < 10 ? `${Math.round(secs)} s` : duration(secs)} left`;
}
