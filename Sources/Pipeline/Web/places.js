// Zones and lines as values: geometry, what is wrong with them, and their YAML. Points are [x, y] in 0...1 of the
// picture, y down.

export const rounded = value => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;

const cross = (a, b, p) => (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);

function meet(a, b, c, d) {
  const [abc, abd, cda, cdb] = [cross(a, b, c), cross(a, b, d), cross(c, d, a), cross(c, d, b)];
  if (abc * abd < 0 && cda * cdb < 0) return true;
  const within = (p, q, r) =>
    Math.min(p[0], q[0]) <= r[0] && r[0] <= Math.max(p[0], q[0])
    && Math.min(p[1], q[1]) <= r[1] && r[1] <= Math.max(p[1], q[1]);
  return (abc === 0 && within(a, b, c)) || (abd === 0 && within(a, b, d))
    || (cda === 0 && within(c, d, a)) || (cdb === 0 && within(c, d, b));
}

const same = (p, q) => p[0] === q[0] && p[1] === q[1];

export function crossesItself(corners) {
  const n = corners.length, edge = i => [corners[i], corners[(i + 1) % n]];
  for (let i = 0; i < n; i++) {
    const [a, b] = edge(i), c = edge((i + 1) % n)[1];
    if (same(a, b)) return true;
    // An edge that runs back over the one before it.
    if (cross(a, b, c) === 0 && (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0) return true;
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue;
      if (meet(a, b, ...edge(j))) return true;
    }
  }
  return false;
}

function area(corners) {
  let sum = 0;
  corners.forEach((p, i) => {
    const q = corners[(i + 1) % corners.length];
    sum += p[0] * q[1] - q[0] * p[1];
  });
  return Math.abs(sum) / 2;
}

// What the configuration would not accept of one place; empty when all is well.
export function problems(place, all) {
  const found = [], name = place.settings.name, bytes = new TextEncoder().encode(name).length;
  const points = place.points.map(p => p.map(rounded));
  if (!name) found.push('it needs a name');
  else if (bytes > 64 || /[\u0000-\u001f\u007f]/.test(name)) found.push('its name is longer than 64 bytes or holds odd characters');
  else if (all.some(other => other !== place && other.kind === place.kind && other.settings.name === name)) {
    found.push('another one has the same name');
  }
  if (place.kind === 'zone') {
    if (points.length < 3) found.push('it needs three corners');
    else if (crossesItself(points)) found.push('its edges cross or lie on each other');
    else if (area(points) <= 1e-6) found.push('it has no area');
  } else if (same(...points)) found.push('its ends are the same point');
  return found;
}

// A scalar as YAML reads it back; JSON's quotes are YAML's too.
export function scalar(value) {
  if (typeof value !== 'string') return String(value);
  const isPlain = /^[A-Za-z_/][\w./-]*$/.test(value) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value);
  return isPlain ? value : JSON.stringify(value);
}

const point = p => '[' + p.map(rounded).join(', ') + ']';

function entry(place, defaults) {
  const lines = ['name: ' + scalar(place.settings.name)];
  if (place.kind === 'zone') lines.push('polygon: [' + place.points.map(point).join(', ') + ']');
  else lines.push('a: ' + point(place.points[0]), 'b: ' + point(place.points[1]));
  for (const [key, value] of Object.entries(place.settings)) {
    if (key === 'name' || value === null || value === '' || value === defaults[key]) continue;
    lines.push(key + ': ' + scalar(value));
  }
  return lines.map((line, i) => '        ' + (i ? '  ' : '- ') + line).join('\n') + '\n';
}

// The keys `zones` and `lines` of a camera's `events`.
export function part(places, facts) {
  let text = '';
  for (const kind of ['zone', 'line']) {
    const own = places.filter(place => place.kind === kind);
    if (!own.length) text += `      ${kind}s: []\n`;
    else text += `      ${kind}s:\n` + own.map(place => entry(place, facts.defaults[kind])).join('');
  }
  return text;
}

// A configuration with this one camera.
export function whole(places, facts) {
  return `cameras:\n  ${scalar(facts.camera)}:\n    url: ${scalar(facts.url)}\n`
    + (facts.hidesPassword ? '    # user name and password are not shown here: put them back as ${NAME}\n' : '')
    + '    events:\n' + part(places, facts);
}
