// The pictures of one generator: its first samples, and its closest pairs beside their nearest training images.

// Tiles of a sprite, four a row and `tall` pixels high, enlarged pixel by pixel.
function tiles(image, tall, first, last, columns, label) {
  const side = image.naturalWidth / 4;
  const zoom = Math.max(1, Math.round(64 / side)), gap = 4;
  const rows = Math.ceil((last - first) / columns);
  const canvas = element("canvas", {
    role: "img", "aria-label": label, width: columns * (side * zoom + gap) - gap, height: rows * (tall * zoom + gap) - gap,
  });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  for (let n = first; n < last; n++)
    context.drawImage(image, (n % 4) * side, Math.floor(n / 4) * tall, side, tall,
      ((n - first) % columns) * (side * zoom + gap), Math.floor((n - first) / columns) * (tall * zoom + gap), side * zoom, tall * zoom);
  return canvas;
}

// A sprite's figures: the samples' tiles come first, then a row of four for each pair.
async function pictures({ png, samples, pairs }) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const figure = (canvas, caption) => element("figure", {}, canvas, element("figcaption", {}, caption));
  const filled = Math.ceil(samples / 4); // rows
  const tall = image.naturalHeight / (filled + pairs.length);
  const parts = [figure(tiles(image, tall, 0, samples, 4, `${samples} samples of this generator`), `Its first ${samples} samples, not chosen.`)];
  const rows = pairs.map(([distance, ...training], n) => {
    const known = training.every((one) => one !== null), first = 4 * (filled + n), shown = known ? 4 : 2;
    const label = `closest pair ${n + 1}` + (known ? " and the nearest training image of each" : "");
    const caption = `pair ${number(distance)}` + (known ? `, to training ${training.map(number).join(", ")}` : "");
    return figure(tiles(image, tall, first, first + shown, shown, label), caption);
  });
  if (rows.length) parts.push(element("div", {}, element("p", { class: "note" }, "Its closest pairs: first, second, and the nearest training image of each."), ...rows));
  return parts;
}
