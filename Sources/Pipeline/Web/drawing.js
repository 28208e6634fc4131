// What lies over the picture: zones, lines, handles, and which side of a line is left and which right.

const ns = 'http://www.w3.org/2000/svg';

export class Drawing {
  constructor(svg) {
    this.svg = svg;
    this.size = [16, 9];
  }

  resize(width, height) {
    this.size = [width, height];
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  }

  // Picture pixels per screen pixel.
  get unit() { return this.size[0] / (this.svg.clientWidth || this.size[0]); }

  pixel(p) { return [p[0] * this.size[0], p[1] * this.size[1]]; }

  // Where in 0...1 of the picture a pointer is.
  point(event) {
    const box = this.svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map(v => Math.min(1, Math.max(0, v)));
  }

  // Screen pixels between two points of the picture.
  distance(p, q) {
    const [a, b] = [this.pixel(p), this.pixel(q)];
    return Math.hypot(a[0] - b[0], a[1] - b[1]) / this.unit;
  }

  draw(state) {
    this.svg.replaceChildren();
    this.svg.classList.toggle('drawing', Boolean(state.draft));
    state.places.forEach((place, i) => { if (i !== state.chosen) this.place(place, i, false); });
    if (state.chosen !== null) {
      this.place(state.places[state.chosen], state.chosen, true);
      this.handles(state.places[state.chosen], state);
    }
    if (state.draft) this.draft(state.draft, state.pointer);
  }

  place(place, index, isChosen) {
    const points = place.points.map(p => this.pixel(p)), purpose = place.settings.purpose || '';
    const tag = place.kind === 'zone' ? 'polygon' : 'polyline';
    const shape = { points: points.map(p => p.join(',')).join(' '), 'data-place': index };
    this.add(tag, { ...shape, class: 'halo', 'stroke-width': 5 * this.unit });
    this.add(tag, {
      ...shape, class: `shape ${place.kind} ${purpose} ${isChosen ? 'chosen' : ''}`, 'stroke-width': 2.5 * this.unit,
    });
    if (place.kind === 'line') {
      this.add(tag, { ...shape, class: 'grip', 'stroke-width': 18 * this.unit });
      this.sides(points);
    }
    const top = points.reduce((a, b) => (b[1] < a[1] ? b : a));
    const label = place.kind === 'line' ? points[0].map((v, k) => v + 0.3 * (points[1][k] - v)) : top;
    this.text(label[0], label[1] - 10 * this.unit, place.settings.name || '(no name)');
  }

  // An arrow to each side from the line's middle, and which end is which.
  sides([a, b]) {
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (!length) return;
    const along = [(b[0] - a[0]) / length, (b[1] - a[1]) / length], right = [-along[1], along[0]];
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], u = this.unit;
    for (const [word, sign] of [['left', -1], ['right', 1]]) {
      const at = d => [middle[0] + sign * right[0] * d * u, middle[1] + sign * right[1] * d * u];
      const tip = at(34), back = at(26), wing = [along[0] * 6 * u, along[1] * 6 * u];
      this.add('path', {
        class: 'side', 'stroke-width': 2 * u,
        d: `M${at(6)}L${tip}M${back[0] + wing[0]},${back[1] + wing[1]}L${tip}L${back[0] - wing[0]},${back[1] - wing[1]}`,
      });
      const [x, y] = at(50);
      this.text(x, y + 5 * u, word, 'middle');
    }
    this.text(a[0] + 10 * u, a[1] + 18 * u, 'A');
    this.text(b[0] + 10 * u, b[1] + 18 * u, 'B');
  }

  handles(place, state) {
    const points = place.points.map(p => this.pixel(p)), u = this.unit;
    if (place.kind === 'zone') {
      points.forEach((p, i) => {
        const q = points[(i + 1) % points.length];
        this.add('circle', {
          class: 'middle', cx: (p[0] + q[0]) / 2, cy: (p[1] + q[1]) / 2, r: 5 * u, 'stroke-width': u, 'data-middle': i,
        });
      });
    }
    points.forEach((p, i) => this.add('circle', {
      class: 'handle' + (state.point === i ? ' chosen' : ''), cx: p[0], cy: p[1], r: 8 * u, 'stroke-width': 1.5 * u,
      'data-point': i,
    }));
  }

  draft(draft, pointer) {
    const points = draft.points.map(p => this.pixel(p)), u = this.unit;
    const way = pointer ? [...points, this.pixel(pointer)] : points;
    this.add('polyline', { class: 'halo', points: way.map(p => p.join(',')).join(' '), 'stroke-width': 4 * u });
    this.add('polyline', { class: 'draft', points: way.map(p => p.join(',')).join(' '), 'stroke-width': 2 * u });
    if (draft.kind === 'line' && way.length === 2) this.sides(way);
    points.forEach((p, i) => this.add('circle', {
      class: 'handle', cx: p[0], cy: p[1], r: (i ? 5 : 8) * u, 'stroke-width': 1.5 * u,
    }));
  }

  text(x, y, words, anchor = 'start') {
    const element = this.add('text', {
      x, y, 'text-anchor': anchor, 'font-size': 14 * this.unit, 'stroke-width': 3 * this.unit,
    });
    element.textContent = words;
  }

  add(tag, attributes) {
    const element = document.createElementNS(ns, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    this.svg.append(element);
    return element;
  }
}
