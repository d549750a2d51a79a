"use strict";
/* Frames: filter, sort, turn pages, look. */
{
  const ROWS = 25;
  const SHOWN = 40;
  const frames = read("frames-data");
  const pictures = read("pictures-data");
  const form = document.getElementById("filters");
  const field = form.elements;
  const get = (id) => document.getElementById(id);
  const all = frames.row.map((_, place) => place);
  const state = { found: all, page: 0, key: null, falling: true, chosen: null };
  const number = (value, digits = 3) => (value === null ? "–" : value.toFixed(digits));
  const picture = (place) => pictures[frames.row[place]];
  const label = (place) => frames.labels[frames.label[place]];
  const finding = (place) => frames.findings[frames.finding[place]];
  const decision = (entry, place) => {
    const flag = entry.flagged[place];
    return flag < 0 ? "no decision" : flag ? (frames.label[place] === 0 ? "false alarm" : "flagged") : frames.label[place] === 1 ? "missed" : "not flagged";
  };

  frames.labels.forEach((name, value) => frames.label.includes(value) && field.label.append(make("option", { value: String(value) }, name)));
  frames.findings.forEach((name, value) => field.finding.append(make("option", { value: String(value) }, name)));
  frames.entries.forEach((entry, value) => field.entry.append(make("option", { value: String(value) }, entry.name)));

  const columns = [
    ["File", (place) => frames.path[place]],
    ["Finding", finding],
    ["Label", label],
    ["Disagreement", (place) => frames.spread[place]],
    ["Score", (place) => frames.entries[field.entry.value].score[place]],
    ["Decision", (place) => decision(frames.entries[field.entry.value], place)],
    ...frames.entries.map((entry) => [entry.name, (place) => entry.quantile[place]]),
  ];

  const tests = {
    alarm: (entry, place) => entry.flagged[place] === 1 && frames.label[place] === 0,
    miss: (entry, place) => entry.flagged[place] === 0 && frames.label[place] === 1,
    flagged: (entry, place) => entry.flagged[place] === 1,
    passed: (entry, place) => entry.flagged[place] === 0,
  };

  function filter() {
    const entry = frames.entries[field.entry.value];
    const [low, high, spread] = ["low", "high", "spread"].map((name) => Number(field[name].value));
    const [least, most] = [field.least.value === "" ? -Infinity : Number(field.least.value), field.most.value === "" ? Infinity : Number(field.most.value)];
    const part = field.path.value.toLowerCase();
    state.found = all.filter((place) => {
      const quantile = entry.quantile[place];
      return (
        (field.label.value === "" || frames.label[place] === Number(field.label.value)) &&
        (field.finding.value === "" || frames.finding[place] === Number(field.finding.value)) &&
        (field.decision.value === "" || tests[field.decision.value](entry, place)) &&
        (quantile === null ? low === 0 && high === 1 : quantile >= low && (high === 1 || quantile <= high)) &&
        frames.spread[place] >= spread &&
        (entry.score[place] ?? -Infinity) >= least && (entry.score[place] ?? Infinity) <= most &&
        (part === "" || frames.path[place].toLowerCase().includes(part)) &&
        (!field.pictured.checked || picture(place))
      );
    });
    sort();
  }

  function sort() {
    if (state.key !== null) {
      const value = columns[state.key][1];
      const keys = new Map(state.found.map((place) => [place, value(place)]));
      state.found.sort((a, b) => order(keys.get(a), keys.get(b), state.falling));
    }
    state.page = 0;
    draw();
  }

  function draw() {
    const pages = Math.max(1, Math.ceil(state.found.length / ROWS));
    const entry = frames.entries[field.entry.value];
    get("count").textContent = `${state.found.length} of ${all.length} listed frames`;
    get("page-number").textContent = `Page ${state.page + 1} of ${pages}`;
    get("back").disabled = state.page === 0;
    get("forward").disabled = state.page >= pages - 1;
    get("frame-table").tBodies[0].replaceChildren(...state.found.slice(state.page * ROWS, (state.page + 1) * ROWS).map((place) => row(place, entry)));
    get("gallery").replaceChildren(...state.found.filter(picture).slice(0, SHOWN).map(thumbnail));
  }

  function row(place, entry) {
    const name = make("bdi", { dir: "ltr" }, frames.path[place]);
    const show = picture(place) ? make("button", { type: "button", className: "show", onclick: () => choose(place) }, name) : name;
    const score = entry.score[place];
    return make("tr", { className: place === state.chosen ? "chosen" : "" },
      make("th", { scope: "row", className: "file" }, show), make("td", { className: "file" }, make("bdi", {}, finding(place))), make("td", {}, label(place)),
      make("td", {}, number(frames.spread[place])), make("td", {}, score === null ? "–" : String(score)), make("td", {}, decision(entry, place)),
      ...frames.entries.map((each) => make("td", {}, number(each.quantile[place]))));
  }

  function thumbnail(place) {
    const alt = `${label(place)} frame, ${finding(place)}: ${frames.path[place]}`;
    const button = make("button", { type: "button", onclick: () => choose(place) }, make("img", { src: picture(place).original, alt }));
    button.setAttribute("aria-pressed", String(place === state.chosen));
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

  function card(entry, part, place, frame) {
    const name = `of ${frames.path[place]}`;
    const stack = make("div", { className: "stack" }, make("img", { src: frame.original, alt: `Original ${name}` }));
    if (part.reconstruction) {
      stack.append(make("img", { src: part.reconstruction, className: "over", alt: `Reconstruction ${name} by ${entry.name}` }), make("span", { className: "line" }));
    }
    const map = make("div", { className: "stack" });
    if (part.error) map.append(make("img", { src: part.error, alt: `Error map ${name} by ${entry.name}, black is 0, pale yellow ${part.high} or more` }));
    else map.append(make("p", { className: "none" }, "no error map"));
    if (frame.contour) for (const box of part.error ? [stack, map] : [stack]) box.append(outline(frame));
    const facts = `score ${entry.score[place] ?? "–"}, quantile ${number(entry.quantile[place])}, ${decision(entry, place)}` + (part.reconstruction ? "" : "; does not reconstruct");
    return make("div", { className: "card" }, make("h4", {}, make("bdi", {}, entry.name)), make("p", {}, facts), make("div", { className: "pictures" }, stack, map));
  }

  function choose(place, move = true) {
    const frame = picture(place);
    state.chosen = place;
    get("viewer").hidden = false;
    get("viewer-title").replaceChildren(make("bdi", { dir: "ltr" }, frames.path[place]));
    const facts = { Label: label(place), Finding: finding(place), Disagreement: number(frames.spread[place]), "Why it has pictures": frame.why };
    get("viewer-facts").replaceChildren(...Object.entries(facts).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, make("bdi", {}, value))]));
    get("cards").replaceChildren(...frames.entries.map((entry, nth) => card(entry, frame.entries[nth], place, frame)));
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
    const shown = state.found.filter(picture);
    if (!shown.length) return;
    const place = shown.indexOf(state.chosen);
    choose(shown[(place + by + shown.length) % shown.length], false);
  }

  columns.forEach(([title], place) => {
    const head = make("th", { scope: "col", "aria-sort": "none" }, make("button", { type: "button" }, make("bdi", {}, title)));
    head.setAttribute("aria-sort", "none");
    head.firstElementChild.addEventListener("click", () => {
      [state.falling, state.key] = [turn(head), place];
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
  if (pictured.length) choose(pictured.reduce((a, b) => (frames.spread[b] > frames.spread[a] ? b : a)), false);
}
