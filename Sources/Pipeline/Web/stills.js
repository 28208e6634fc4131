// Pictures to draw on: those that the server has, and the empty scene, which is what most of them agree on.

const widest = 1280;

// A still of the server, at most `widest` wide, and how many people it shows; null where that is not known.
export async function load(address) {
  const answer = await fetch(address, { cache: 'no-store' });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const people = answer.headers.get('Hcqd-People'), image = await createImageBitmap(await answer.blob());
  const scale = Math.min(1, widest / image.width), canvas = document.createElement('canvas');
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext('2d', { willReadFrequently: true }).drawImage(image, 0, 0, canvas.width, canvas.height);
  return { canvas, people: people === null ? null : Number(people) };
}

// The median of every pixel over all stills: who moves is gone.
export function emptyScene(stills) {
  const { width, height } = stills[0], n = stills.length, half = n >> 1;
  const layers = stills.map(still => still.getContext('2d').getImageData(0, 0, width, height).data);
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d'), result = context.createImageData(width, height), values = new Uint8Array(n);
  for (let i = 0; i < result.data.length; i++) {
    if (i % 4 === 3) { result.data[i] = 255; continue; }
    for (let k = 0; k < n; k++) {
      const value = layers[k][i];
      let j = k;
      for (; j > 0 && values[j - 1] > value; j--) values[j] = values[j - 1];
      values[j] = value;
    }
    result.data[i] = values[half];
  }
  context.putImageData(result, 0, 0);
  return canvas;
}

export function thumbnail(still) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [272, Math.round(272 * still.height / still.width)];
  canvas.getContext('2d').drawImage(still, 0, 0, canvas.width, canvas.height);
  return canvas;
}
