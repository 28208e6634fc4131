// The fields of the chosen place.

const looks = place => place.settings.anchor === 'mask' || place.settings.anchor === 'box';
const isTold = place => place.settings.purpose === 'presence' || place.settings.purpose === 'required';

const fields = {
  zone: [
    { key: 'name', label: 'Name', type: 'text' },
    { key: 'purpose', label: 'Purpose', choices: {
      presence: 'who enters and leaves is told',
      required: 'only people who were in here are told at all',
      ignored: 'detections in here are taken for mistakes',
      privacy: 'as ignored, and black in every picture',
    } },
    { key: 'anchor', label: 'What decides', when: isTold, choices: {
      feet: 'where the person stands',
      mask: 'the share of the silhouette inside',
      box: 'the share of the box inside',
    } },
    { key: 'min_overlap', label: 'Least share inside', type: 'number', min: 0.001, max: 1, step: 'any', when: p => isTold(p) && looks(p) },
    { key: 'loitering_after_s', label: 'Loiters after, s', type: 'number', min: 0.001, max: 86400, step: 'any', when: isTold,
      hint: 'empty: never' },
    { key: 'reaching', label: 'Tell who reaches in', type: 'checkbox', when: isTold,
      hint: 'a wrist inside while the feet are outside: for counters and shelves' },
    { key: 'inertia_s', label: 'Change holds for, s', type: 'number', min: 0, max: 60, step: 'any', when: isTold },
    { key: 'inertia_frames', label: '... and for frames', type: 'number', min: 1, max: 100, step: 1, when: isTold },
    { key: 'min_score', label: 'Least score', type: 'number', min: 0, max: 1, step: 'any', when: isTold },
    { key: 'min_height', label: 'Least height', type: 'number', min: 0, max: 1, step: 'any', when: isTold,
      hint: 'of a person, as a share of the picture' },
  ],
  line: [
    { key: 'name', label: 'Name', type: 'text' },
    { key: 'anchor', label: 'What must be over', choices: {
      ground: 'where the person stands',
      both_feet: 'both feet, where they are seen',
    } },
    { key: 'dead_band', label: 'Dead band', type: 'number', min: 0, max: 0.5, step: 'any',
      hint: 'who is nearer to the line has not changed sides yet; share of the picture\'s height' },
    { key: 'inertia_frames', label: 'Change holds for frames', type: 'number', min: 1, max: 100, step: 1 },
    { key: 'min_height', label: 'Least height', type: 'number', min: 0, max: 1, step: 'any',
      hint: 'of a person, as a share of the picture' },
  ],
};

function control(field, place, changed) {
  let input;
  if (field.choices) {
    input = document.createElement('select');
    for (const [value, words] of Object.entries(field.choices)) input.add(new Option(`${value}: ${words}`, value));
    input.value = place.settings[field.key];
  } else {
    input = document.createElement('input');
    for (const key of ['type', 'min', 'max', 'step']) if (key in field) input[key] = field[key];
    if (field.type === 'checkbox') input.checked = place.settings[field.key];
    else input.value = place.settings[field.key] ?? '';
  }
  input.name = field.key;
  input.addEventListener(field.type === 'text' ? 'input' : 'change', () => {
    let value = input.value;
    if (field.type === 'checkbox') value = input.checked;
    if (field.type === 'number') {
      if (!input.reportValidity()) return;
      value = input.value === '' ? null : input.valueAsNumber;
    }
    changed(field.key, value, Boolean(field.choices));
  });
  return input;
}

// `changed(key, value, isShape)`; `swap()` turns a line round.
export function fill(form, place, { changed, swap }) {
  form.replaceChildren();
  if (!place) return;
  for (const field of fields[place.kind]) {
    if (field.when && !field.when(place)) continue;
    const label = document.createElement('label'), words = document.createElement('span');
    words.textContent = field.label;
    label.append(words, control(field, place, changed));
    if (field.hint) label.append(Object.assign(document.createElement('small'), { textContent: field.hint }));
    form.append(label);
  }
  if (place.kind === 'line') {
    const button = Object.assign(document.createElement('button'), { type: 'button', id: 'swap', textContent: 'Swap A and B' });
    button.addEventListener('click', swap);
    form.append(button);
  }
  form.append(Object.assign(document.createElement('p'), { className: 'problem', id: 'problem' }));
}
