// The page on which a camera's zones and lines are drawn.

import { Drawing } from './drawing.js';
import { fill } from './form.js';
import { part, problems, rounded, whole } from './places.js';
import { emptyScene, load, thumbnail } from './stills.js';

const get = id => document.getElementById(id);
const drawing = new Drawing(get('drawing')), svg = get('drawing');
const state = { places: [], chosen: null, point: null, draft: null, pointer: null };
const stills = [];
let facts, drag = null, history = [], shown = null, unnamed = { zone: 0, line: 0 }, lastClick = { time: -1e9, at: [0, 0] };

// MARK: What is shown

function refresh({ keepForm = false } = {}) {
  const place = state.chosen === null ? null : state.places[state.chosen];
  drawing.draw(state);
  list();
  if (!keepForm) fill(get('form'), place, { changed: change, swap });
  const wrong = state.places.map(p => problems(p, state.places));
  if (place) get('problem').textContent = wrong[state.chosen].length ? 'It cannot be used yet: ' + wrong[state.chosen].join('; ') + '.' : '';
  const all = wrong.flatMap((list, i) => list.map(text => `${state.places[i].kind} '${state.places[i].settings.name}': ${text}`));
  get('yaml').value = all.length ? ['# Not usable yet:', ...all.map(text => '# ' + text)].join('\n') + '\n'
    : (get('extent').value === 'whole' ? whole : part)(state.places, facts);
  get('copy').disabled = all.length > 0;
  get('undo').disabled = history.length === 0 && !state.draft?.points.length;
  get('finish').hidden = !(state.draft?.kind === 'zone' && state.draft.points.length > 2);
  get('delete-place').disabled = !place;
  get('delete-point').disabled = !(place?.kind === 'zone' && state.point !== null && place.points.length > 3);
  get('new-zone').setAttribute('aria-pressed', state.draft?.kind === 'zone');
  get('new-line').setAttribute('aria-pressed', state.draft?.kind === 'line');
  get('hint').textContent = hint(place);
}

function hint(place) {
  if (state.draft?.kind === 'zone') {
    return state.draft.points.length < 3 ? 'Click the corners of the zone.' : 'Click the first corner again, or press Enter, to close the zone.';
  }
  if (state.draft) return state.draft.points.length ? 'Click where the line ends, B.' : 'Click where the line begins, A.';
  if (place?.kind === 'zone') return 'Drag corners; drag a small dot for a new one; double-click a corner to delete it.';
  if (place) return 'Drag the ends. Left and right are as seen when looking from A to B.';
  return state.places.length ? 'Choose a place to change it, or draw another.' : 'Draw a zone or a line.';
}

function list() {
  const items = state.places.map((place, i) => {
    const item = document.createElement('li'), button = document.createElement('button'), small = document.createElement('small');
    button.setAttribute('aria-pressed', i === state.chosen);
    button.classList.toggle('wrong', problems(place, state.places).length > 0);
    small.textContent = place.kind === 'zone' ? ` zone, ${place.settings.purpose}` : ' line';
    button.append(place.settings.name || '(no name)', small);
    button.addEventListener('click', () => { choose(i); refresh(); });
    item.append(button);
    return item;
  });
  if (!items.length) items.push(Object.assign(document.createElement('li'), { className: 'none', textContent: 'none yet' }));
  get('places').replaceChildren(...items);
}

// MARK: What changes

function remember() {
  history.push(JSON.stringify([state.places, state.chosen]));
  if (history.length > 200) history.shift();
}

function choose(index, point = null) { [state.chosen, state.point, state.draft] = [index, point, null]; }

function undo() {
  if (state.draft?.points.length) state.draft.points.pop();
  else if (history.length) {
    const [places, chosen] = JSON.parse(history.pop());
    state.places = places;
    choose(chosen !== null && chosen < places.length ? chosen : null);
  }
  refresh();
}

function begin(kind) {
  choose(null);
  state.draft = { kind, points: [] };
  state.pointer = null;
  refresh();
}

function finish() {
  const { kind, points } = state.draft;
  if (points.length < (kind === 'zone' ? 3 : 2)) return;
  remember();
  let name;
  do { name = `${kind}_${++unnamed[kind]}`; } while (state.places.some(p => p.kind === kind && p.settings.name === name));
  state.places.push({ kind, points, settings: { ...facts.defaults[kind], name } });
  choose(state.places.length - 1);
  refresh();
  get('form').elements.name.select();
}

function change(key, value, isShape) {
  remember();
  state.places[state.chosen].settings[key] = value;
  refresh({ keepForm: !isShape });
}

function swap() {
  remember();
  state.places[state.chosen].points.reverse();
  refresh();
}

function deletePoint() {
  const place = state.places[state.chosen];
  if (place?.kind !== 'zone' || state.point === null || place.points.length <= 3) return;
  remember();
  place.points.splice(state.point, 1);
  state.point = null;
  refresh();
}

function deletePlace() {
  if (state.chosen === null) return;
  remember();
  state.places.splice(state.chosen, 1);
  choose(null);
  refresh();
}

// MARK: Pointer and keys

// The elements under the pointer are drawn anew all the time, so that browsers see no double click.
function isSecondClick(event, p) {
  const isSecond = event.timeStamp - lastClick.time < 400 && drawing.distance(lastClick.at, p) < 6;
  lastClick = isSecond ? { time: -1e9, at: p } : { time: event.timeStamp, at: p };
  return isSecond;
}

function addToDraft(p, isSecond) {
  const { kind, points } = state.draft;
  if (isSecond && kind === 'zone') return finish();
  if (kind === 'zone' && points.length > 2 && drawing.distance(points[0], p) < 12) return finish();
  points.push(p.map(rounded));
  if (kind === 'line' && points.length === 2) finish();
  else refresh();
}

svg.addEventListener('pointerdown', event => {
  if (event.button !== 0) return;
  const p = drawing.point(event), data = event.target.dataset, isSecond = isSecondClick(event, p);
  if (state.draft) return addToDraft(p, isSecond);
  if (data.point !== undefined) {
    state.point = Number(data.point);
    if (isSecond) return deletePoint();
  } else if (data.middle !== undefined) {
    remember();
    state.point = Number(data.middle) + 1;
    state.places[state.chosen].points.splice(state.point, 0, p.map(rounded));
  } else if (data.place !== undefined) choose(Number(data.place));
  else {
    choose(null);
    return refresh();
  }
  const before = JSON.stringify([state.places, state.chosen]);
  drag = { from: p, points: structuredClone(state.places[state.chosen].points), before, moved: data.middle !== undefined };
  svg.setPointerCapture(event.pointerId);
  svg.focus({ preventScroll: true });
  refresh();
});

svg.addEventListener('pointermove', event => {
  const p = drawing.point(event);
  get('position').textContent = p.map(v => rounded(v).toFixed(4)).join(', ');
  if (state.draft) {
    state.pointer = p;
    drawing.draw(state);
  } else if (drag) {
    if (!drag.moved) {
      if (drawing.distance(drag.from, p) < 3) return;
      history.push(drag.before);
      drag.moved = true;
    }
    move(drag.points, [p[0] - drag.from[0], p[1] - drag.from[1]]);
    refresh({ keepForm: true });
  }
});

for (const type of ['pointerup', 'pointercancel']) svg.addEventListener(type, () => { drag = null; });
svg.addEventListener('pointerleave', () => {
  state.pointer = null;
  if (state.draft) drawing.draw(state);
});

// Moves the chosen point, or the whole place within the picture, from where its points were.
function move(points, [dx, dy]) {
  const place = state.places[state.chosen];
  if (state.point !== null) {
    const [x, y] = points[state.point];
    place.points[state.point] = [rounded(x + dx), rounded(y + dy)];
    return;
  }
  const limited = (d, values) => Math.min(1 - Math.max(...values), Math.max(-Math.min(...values), d));
  [dx, dy] = [limited(dx, points.map(p => p[0])), limited(dy, points.map(p => p[1]))];
  place.points = points.map(([x, y]) => [rounded(x + dx), rounded(y + dy)]);
}

document.addEventListener('keydown', event => {
  if (event.target.matches('input, select, textarea')) return;
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === 'Enter' && state.draft) finish();
  else if (event.key === 'Escape') { choose(null); refresh(); }
  else if (event.key === 'z' && (event.ctrlKey || event.metaKey)) undo();
  else if (event.key === 'Delete' || event.key === 'Backspace') {
    if (state.draft) undo();
    else if (state.point !== null && state.places[state.chosen].points.length > 3) deletePoint();
    else deletePlace();
  } else if (event.key in steps && state.chosen !== null && event.target === svg) {
    const pixels = event.shiftKey ? 10 : 1, [x, y] = steps[event.key];
    remember();
    move(structuredClone(state.places[state.chosen].points), [x * pixels / drawing.size[0], y * pixels / drawing.size[1]]);
    refresh({ keepForm: true });
  } else return;
  event.preventDefault();
});

get('new-zone').addEventListener('click', () => begin('zone'));
get('new-line').addEventListener('click', () => begin('line'));
get('finish').addEventListener('click', finish);
get('undo').addEventListener('click', undo);
get('delete-point').addEventListener('click', deletePoint);
get('delete-place').addEventListener('click', deletePlace);
get('form').addEventListener('submit', event => event.preventDefault());
get('extent').addEventListener('change', () => refresh({ keepForm: true }));
get('copy').addEventListener('click', async () => {
  // The clipboard is open to pages from this machine only; elsewhere the old way has to do.
  try { await navigator.clipboard.writeText(get('yaml').value); } catch {
    get('yaml').select();
    document.execCommand('copy');
  }
  get('copied').textContent = 'copied';
  setTimeout(() => { get('copied').textContent = ''; }, 2000);
});
new ResizeObserver(() => drawing.draw(state)).observe(svg);

// MARK: Stills

function show(still) {
  shown = still;
  const canvas = get('picture');
  [canvas.width, canvas.height] = [still.canvas.width, still.canvas.height];
  canvas.getContext('2d').drawImage(still.canvas, 0, 0);
  drawing.resize(canvas.width, canvas.height);
  // The whole picture and the row of stills are in sight.
  get('stage').style.maxWidth = `max(20rem, calc((100vh - 16.5rem) * ${canvas.width / canvas.height}))`;
  for (const other of stills) other.button.setAttribute('aria-pressed', other === still);
  drawing.draw(state);
}

function add(canvas, words, isFirst = false) {
  const button = document.createElement('button'), still = { canvas, button, isEmptyScene: isFirst };
  button.append(thumbnail(canvas), words);
  button.addEventListener('click', () => show(still));
  if (isFirst) { stills.unshift(still); get('stills').prepend(button); } else { stills.push(still); get('stills').append(button); }
  return still;
}

function describe(people) { return people === null ? '' : people === 1 ? '1 person' : `${people} people`; }

function addEmptyScene() {
  const taken = stills.filter(still => !still.isEmptyScene).map(still => still.canvas);
  const old = stills.findIndex(still => still.isEmptyScene);
  if (old >= 0) stills.splice(old, 1)[0].button.remove();
  if (taken.length < 5 || taken.some(c => c.width !== taken[0].width || c.height !== taken[0].height)) return;
  show(add(emptyScene(taken), 'empty scene', true));
}

async function takeLive() {
  const { canvas, people } = await load('zones/still.jpg');
  const still = add(canvas, `${new Date().toLocaleTimeString()} ${describe(people)}`);
  if (!shown) show(still);
}

async function watchLive() {
  get('another').hidden = false;
  get('another').addEventListener('click', () => takeLive().then(addEmptyScene).catch(error => { get('hint').textContent = error.message; }));
  for (let taken = 0, misses = 0; taken < 7 && misses < 30;) {
    try { await takeLive(); taken++; } catch (error) { misses++; get('hint').textContent = error.message; }
    await new Promise(done => setTimeout(done, 1000));
  }
  addEmptyScene();
}

async function start() {
  facts = await (await fetch('zones/facts', { cache: 'no-store' })).json();
  for (const key of ['polygon', 'a', 'b']) for (const kind of ['zone', 'line']) delete facts.defaults[kind][key];
  document.title = `hcqd zones: ${facts.camera}`;
  get('camera').textContent = facts.camera;
  get('extent').value = facts.isConfigured ? 'part' : 'whole';
  for (const { name, polygon, ...rest } of facts.zones) {
    state.places.push({ kind: 'zone', points: polygon, settings: { ...facts.defaults.zone, ...rest, name } });
  }
  for (const { name, a, b, ...rest } of facts.lines) {
    state.places.push({ kind: 'line', points: [a, b], settings: { ...facts.defaults.line, ...rest, name } });
  }
  refresh();
  if (facts.isLive) await watchLive();
  for (const [i, still] of facts.stills.entries()) {
    const { canvas, people } = await load(`zones/still.jpg?number=${i}`);
    const loaded = add(canvas, `${still.seconds.toFixed(1)} s ${describe(people)}`);
    if (i === facts.emptiest) show(loaded);
  }
  if (!facts.isLive) addEmptyScene();
  document.body.dataset.ready = 'yes';
}

start().catch(error => { get('hint').textContent = 'The page cannot be loaded: ' + error.message; });
