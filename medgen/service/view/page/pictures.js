"use strict";
/* What is drawn of a frame: its crop with map, mask and outline, and where its score lies among those of normal frames. */

const SIDE = 384; // pixels of a canvas, at the least
const STRENGTH = 0.65; // of the colours of a map over the crop

/** Return the pixels of a picture at `side` x `side`. */
function pixelsOf(bitmap, side) {
  const canvas = new OffscreenCanvas(side, side);
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, side, side);
  return pen.getImageData(0, 0, side, side);
}

/** Draw a crop with what is switched on; return the share of the tissue whose score reaches `level`. */
function drawCrop(canvas, bitmap, scores, { level, high, palette, heat, valid }) {
  const cells = Math.sqrt(scores.length);
  const times = Math.max(1, Math.ceil(SIDE / cells));
  const side = cells * times;
  const image = pixelsOf(bitmap, side);
  const data = image.data;
  const above = (x, y) => x >= 0 && y >= 0 && x < cells && y < cells && scores[y * cells + x] >= level;
  canvas.width = canvas.height = side;
  for (let y = 0; y < side; y++) {
    const row = Math.floor(y / times);
    for (let x = 0; x < side; x++) {
      const column = Math.floor(x / times);
      const score = scores[row * cells + column];
      const at = 4 * (y * side + x);
      if (Number.isNaN(score)) {
        if (valid) data[at] = data[at + 1] = data[at + 2] = (x + y) % 12 < 4 ? 110 : 168;
      } else if (heat && score >= level) {
        const [dx, dy] = [x % times, y % times];
        const edge = (dx === 0 && !above(column - 1, row)) || (dx === times - 1 && !above(column + 1, row)) ||
          (dy === 0 && !above(column, row - 1)) || (dy === times - 1 && !above(column, row + 1));
        const colour = 3 * Math.min(255, Math.floor(256 * Math.min(1, Math.max(0, score / high))));
        for (let k = 0; k < 3; k++) data[at + k] = edge ? 255 : (1 - STRENGTH) * data[at + k] + STRENGTH * palette[colour + k];
      }
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  let [tissue, reached] = [0, 0];
  for (const score of scores) {
    if (Number.isNaN(score)) continue;
    tissue++;
    if (score >= level) reached++;
  }
  return tissue ? reached / tissue : 0;
}

/** Return crop, scores of pixels and reconstruction of a frame as a run sees it; `facts` says what there is. */
async function picturesOf(frame, run, facts, signal) {
  const at = `frames/${frame}/runs/${run}`;
  const [crop, scores, drawn] = await Promise.all([
    blob(`${at}/crop`, signal).then(createImageBitmap),
    ask(`${at}/map`, { signal }).then((answer) => answer.arrayBuffer()),
    facts.reconstruction ? blob(`${at}/reconstruction`, signal).then(createImageBitmap) : null,
  ]);
  return { crop, scores: new Float32Array(scores), drawn, facts };
}

/** Show a whole frame in its figure, with the square that each run looks at. */
function showWhole(figure, picture, facts) {
  const [image, outline, caption] = ["img", "svg", "figcaption"].map((name) => figure.querySelector(name));
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
  image.alt = "The whole frame";
  figure.hidden = false;
  const { width, height } = facts.runs[0];
  outline.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const path = ([left, top, right, bottom]) => `M${left},${top}H${right}V${bottom}H${left}Z`;
  outline.firstElementChild.setAttribute("d", [...new Set(facts.runs.map((run) => path(run.box)))].join(""));
  caption.textContent = `${width} x ${height} pixels; the square is what the run looks at`;
}

/** Draw the histogram of normal validation scores with the threshold and the frame's own score. */
function histogram(run, score) {
  const { edges, counts, log, count } = run.normals;
  if (!count) return make("p", { className: "none" }, "no normal validation frames to compare with");
  const svg = (name, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(text);
    return element;
  };
  const [width, height, base] = [400, 96, 80];
  const place = (value) => (log ? Math.log10(Math.max(value, Number.MIN_VALUE)) : value);
  const limit = run.threshold.value ?? null;
  const shown = [edges[0], edges[edges.length - 1], ...(limit === null ? [] : [limit]), ...(score === null ? [] : [score])].map(place);
  const [low, high] = [Math.min(...shown), Math.max(...shown)];
  const x = (value) => 6 + ((place(value) - low) / (high - low || 1)) * (width - 12);
  const most = Math.max(...counts);
  const side = score === null ? "no score" : `score ${brief(score)}`;
  const label = `Histogram of the scores of ${count} normal validation frames; ${side}` + (limit === null ? "" : `, threshold ${brief(limit)}`);
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "histogram", role: "img", "aria-label": label });
  counts.forEach((n, k) => {
    const tall = (n / most) * (base - 8);
    chart.append(svg("rect", { x: x(edges[k]), y: base - tall, width: Math.max(0.5, x(edges[k + 1]) - x(edges[k]) - 0.5), height: tall }));
  });
  chart.append(svg("line", { x1: 6, x2: width - 6, y1: base, y2: base, class: "axis" }));
  if (limit !== null) chart.append(svg("line", { x1: x(limit), x2: x(limit), y1: 4, y2: base, class: "threshold" }));
  if (score !== null) chart.append(svg("line", { x1: x(score), x2: x(score), y1: 4, y2: base, class: "own" }));
  chart.append(svg("text", { x: 6, y: height - 3 }, brief(log ? 10 ** low : low)), svg("text", { x: width - 6, y: height - 3, "text-anchor": "end" }, brief(log ? 10 ** high : high)));
  return chart;
}

/** Return a number with four significant digits. */
function brief(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(4)));
}
