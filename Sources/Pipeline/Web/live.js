// The live page: pictures of all cameras, and events as they come.

const cameras = document.getElementById('cameras'), events = document.getElementById('events');
const summary = document.getElementById('summary'), cards = new Map();

function card(name) {
  const article = document.createElement('article'), image = document.createElement('img');
  image.alt = 'Live picture of ' + name;
  image.hidden = true;
  const row = document.createElement('div'), title = document.createElement('strong');
  const people = document.createElement('span'), state = document.createElement('span');
  const reason = document.createElement('p'), zones = document.createElement('a');
  title.textContent = name;
  zones.textContent = 'zones';
  zones.href = 'cameras/' + encodeURIComponent(name) + '/zones';
  zones.title = 'Draw zones and lines for ' + name;
  row.append(title, people, state, zones);
  article.append(image, row, reason);
  cameras.append(article);
  const c = { article, image, people, state, reason, online: false, waits: false };
  const next = () => { c.waits = false; if (c.online) setTimeout(() => show(name, c), 200); };
  image.addEventListener('load', () => { image.hidden = false; next(); });
  image.addEventListener('error', next);
  return c;
}

function show(name, c) {
  if (!c.online || c.waits) return;
  c.waits = true;
  c.image.src = 'cameras/' + encodeURIComponent(name) + '/picture.jpg?' + Date.now();
}

async function refresh() {
  try {
    const answer = await fetch('cameras', { cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const list = await answer.json(), names = new Set(list.map(c => c.name));
    for (const [name, c] of cards) if (!names.has(name)) { c.article.remove(); cards.delete(name); }
    for (const camera of list) {
      if (!cards.has(camera.name)) cards.set(camera.name, card(camera.name));
      const c = cards.get(camera.name);
      c.people.textContent = camera.people === 1 ? '1 person' : camera.people + ' people';
      c.state.textContent = camera.state;
      c.state.className = camera.state;
      c.reason.textContent = camera.reason || '';
      if (camera.width) c.image.style.aspectRatio = camera.width + ' / ' + camera.height;
      c.online = camera.state === 'online';
      c.image.style.opacity = c.online ? 1 : 0.3;
      show(camera.name, c);
    }
    const online = list.filter(c => c.state === 'online').length;
    summary.textContent = online + ' of ' + list.length + (list.length === 1 ? ' camera' : ' cameras') + ' online';
  } catch (error) { summary.textContent = 'no connection to hcqd'; }
}

function words(e) {
  const parts = [];
  if (e.zone) parts.push(e.zone);
  if (e.line) parts.push(e.line + ' ' + e.direction);
  if (e.posture) parts.push(e.posture);
  if (typeof e.count === 'number') parts.push(e.count + ' inside');
  if (e.reason) parts.push(e.reason);
  return parts.join(', ');
}

function tell(message) {
  const e = JSON.parse(message.data), item = document.createElement('li');
  const time = document.createElement('time'), text = document.createElement('span');
  const type = document.createElement('b');
  time.dateTime = e.t;
  time.textContent = new Date(e.t).toLocaleTimeString([], { hour12: false });
  type.textContent = e.type.replaceAll('_', ' ');
  text.append(type, ' ' + (e.id || e.camera) + (words(e) ? ': ' + words(e) : ''));
  item.append(time, text);
  // Newest first: at the beginning each camera's lines come in one piece.
  const older = [...events.children].find(other => other.firstChild.dateTime <= e.t);
  events.insertBefore(item, older ?? null);
  while (events.children.length > 200) events.lastChild.remove();
}

const types = [
  'start', 'end', 'zone_entered', 'zone_left', 'loitering', 'line_crossed', 'occupancy', 'posture',
  'camera_online', 'camera_offline', 'camera_stalled', 'discontinuity', 'camera_covered', 'camera_moved', 'camera_clear', 'events_dropped',
];
const feed = new EventSource('events?last=100&types=' + types.join(','));
for (const type of types) feed.addEventListener(type, tell);
refresh();
setInterval(refresh, 2000);
