"use strict";
/* Frames: filter, sort, turn pages, look. `index` is the position of a listed frame in the columns of the frame table. */
{
  const ROWS = 25;
  const THUMBNAILS = 40;
  const frames = read("frames-data");
  const pictures = read("pictures-data");
  const form = document.getElementById("filters");
  const field = form.elements;
  const get = (id) => document.getElementById(id);
  const all = frames.row.map((_, index) => index);
  const state = { matching: all, page: 0, key: null, falling: true, chosen: null };
  const number = (value, digits = 3) => (value === null ? "–" : value.toFixed(digits));
  const picture = (index) => pictures[frames.row[index]];
  const label = (index) => frames.labels[frames.label[index]];
  const finding = (index) => frames.findings[frames.finding[index]];
  const decision = (entry, index) => {
    const flag = entry.flagged[index];
    return entry.score[index] === null ? "no score, for review" : flag < 0 ? "no decision" : flag ? (frames.label[index] === 0 ? "false alarm" : "flagged") : frames.label[index] === 1 ? "missed" : "not flagged";
  };

  frames.labels.forEach((name, value) => frames.label.includes(value) && field.label.append(make("option", { value: String(value) }, name)));
  frames.findings.forEach((name, value) => field.finding.append(make("option", { value: String(value) }, name)));
  frames.entries.forEach((entry, value) => field.entry.append(make("option", { value: String(value) }, entry.name)));

  const columns = [
    ["File", (index) => frames.path[index]],
    ["Finding", finding],
    ["Label", label],
    ["Disagreement", (index) => frames.disagreement[index]],
    ["Score", (index) => frames.entries[field.entry.value].score[index]],
    ["Decision", (index) => decision(frames.entries[field.entry.value], index)],
    ...frames.entries.map((entry) => [entry.name, (index) => entry.quantile[index]]),
  ];

  const tests = {
    alarm: (entry, index) => entry.flagged[index] === 1 && frames.label[index] === 0,
    miss: (entry, index) => entry.flagged[index] === 0 && frames.label[index] === 1,
    flagged: (entry, index) => entry.flagged[index] === 1,
    passed: (entry, index) => entry.flagged[index] === 0,
    review: (entry, index) => entry.score[index] === null,
  };

  function filter() {
    const entry = frames.entries[field.entry.value];
    const [low, high, disagreement] = ["low", "high", "disagreement"].map((name) => Number(field[name].value));
    const [least, most] = [field.least.value === "" ? -Infinity : Number(field.least.value), field.most.value === "" ? Infinity : Number(field.most.value)];
    const part = field.path.value.toLowerCase();
    state.matching = all.filter((index) => {
      const quantile = entry.quantile[index];
      return (
        (field.label.value === "" || frames.label[index] === Number(field.label.value)) &&
        (field.finding.value === "" || frames.finding[index] === Number(field.finding.value)) &&
        (field.decision.value === "" || tests[field.decision.value](entry, index)) &&
        (quantile === null ? low === 0 && high === 1 : quantile >= low && (high === 1 || quantile <= high)) &&
        frames.disagreement[index] >= disagreement &&
        (entry.score[index] ?? -Infinity) >= least && (entry.score[index] ?? Infinity) <= most &&
        (part === "" || frames.path[index].toLowerCase().includes(part)) &&
        (!field.pictured.checked || picture(index))
      );
    });
    sort();
  }

  function sort() {
    if (state.key !== null) {
      const value = columns[state.key][1];
      const keys = new Map(state.matching.map((index) => [index, value(index)]));
      state.matching.sort((a, b) => order(keys.get(a), keys.get(b), state.falling));
    }
    state.page = 0;
    draw();
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(state.matching.length / ROWS));
    const entry = frames.entries[field.entry.value];
    get("count").textContent = `${state.matching.length} of ${all.length} listed frames`;
    get("page-number").textContent = `Page ${state.page + 1} of ${pages}`;
    get("back").disabled = state.page === 0;
    get("forward").disabled = state.page >= pages - 1;
    get("frame-table").tBodies[0].replaceChildren(...state.matching.slice(state.page * ROWS, (state.page + 1) * ROWS).map((index) => row(index, entry)));
    get("gallery").replaceChildren(...state.matching.filter(picture).slice(0, THUMBNAILS).map(thumbnail));
  }

  function row(index, entry) {
    const name = make("bdi", { dir: "ltr" }, frames.path[index]);
    const show = picture(index) ? make("button", { type: "button", className: "show", onclick: () => choose(index) }, name) : name;
    const score = entry.score[index];
    return make("tr", { className: index === state.chosen ? "chosen" : "" },
      make("th", { scope: "row", className: "file" }, show), make("td", { className: "file" }, make("bdi", {}, finding(index))), make("td", {}, label(index)),
      make("td", {}, number(frames.disagreement[index])), make("td", {}, score === null ? "–" : String(score)), make("td", {}, decision(entry, index)),
      ...frames.entries.map((other) => make("td", {}, number(other.quantile[index]))));
  }

  function thumbnail(index) {
    const alt = `${label(index)} frame, ${finding(index)}: ${frames.path[index]}`;
    const button = make("button", { type: "button", onclick: () => choose(index) }, make("img", { src: picture(index).original, alt }));
    button.setAttribute("aria-pressed", String(index === state.chosen));
    return button;
  }

  function outline(frame) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", `0 0 ${frame.side} ${frame.side}`);
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("class", "contour");
    path.setAttribute("d", frame.contour);
    svg.append(path);
    return svg;
  }

  function card(entry, part, index, frame) {
    const name = `of ${frames.path[index]}`;
    const stack = make("div", { className: "stack" }, make("img", { src: frame.original, alt: `Original ${name}` }));
    if (part.reconstruction) {
      stack.append(make("img", { src: part.reconstruction, className: "over", alt: `Reconstruction ${name} by ${entry.name}` }), make("span", { className: "line" }));
    }
    const map = make("div", { className: "stack" });
    if (part.error) map.append(make("img", { src: part.error, alt: `Error map ${name} by ${entry.name}, black is 0, pale yellow ${part.high} or more` }));
    else map.append(make("p", { className: "none" }, "no error map"));
    if (frame.contour) for (const box of part.error ? [stack, map] : [stack]) box.append(outline(frame));
    const facts = `score ${entry.score[index] ?? "–"}, quantile ${number(entry.quantile[index])}, ${decision(entry, index)}` + (part.reconstruction ? "" : "; does not reconstruct");
    return make("div", { className: "card" }, make("h4", {}, make("bdi", {}, entry.name)), make("p", {}, facts), make("div", { className: "pictures" }, stack, map));
  }

  function choose(index, move = true) {
    const frame = picture(index);
    state.chosen = index;
    get("viewer").hidden = false;
    get("viewer-title").replaceChildren(make("bdi", { dir: "ltr" }, frames.path[index]));
    const facts = { Label: label(index), Finding: finding(index), Disagreement: number(frames.disagreement[index]), "Why it has pictures": frame.why };
    get("viewer-facts").replaceChildren(...Object.entries(facts).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, make("bdi", {}, value))]));
    get("cards").replaceChildren(...frames.entries.map((entry, position) => card(entry, frame.entries[position], index, frame)));
    wipe();
    draw();
    if (move) get("viewer-title").focus();
  }

  function wipe() {
    const share = get("wipe").value;
    for (const over of get("cards").querySelectorAll(".over")) over.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    for (const line of get("cards").querySelectorAll(".line")) line.style.left = `${share}%`;
    for (const svg of get("cards").querySelectorAll(".contour")) svg.style.display = get("contour").checked ? "" : "none";
  }

  function step(by) {
    const pictured = state.matching.filter(picture);
    if (!pictured.length) return;
    const index = pictured.indexOf(state.chosen);
    choose(pictured[(index + by + pictured.length) % pictured.length], false);
  }

  columns.forEach(([title], column) => {
    const head = make("th", { scope: "col", "aria-sort": "none" }, make("button", { type: "button" }, make("bdi", {}, title)));
    head.setAttribute("aria-sort", "none");
    head.firstElementChild.addEventListener("click", () => {
      [state.falling, state.key] = [turn(head), column];
      sort();
    });
    get("frame-table").tHead.rows[0].append(head);
  });
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  get("wipe").addEventListener("input", wipe);
  get("contour").addEventListener("input", wipe);
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  get("back").addEventListener("click", () => (state.page--, draw()));
  get("forward").addEventListener("click", () => (state.page++, draw()));
  filter();
  const pictured = all.filter(picture);
  if (pictured.length) choose(pictured.reduce((a, b) => (frames.disagreement[b] > frames.disagreement[a] ? b : a)), false);
}
