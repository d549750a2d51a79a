"use strict";
/* The page: which frame is looked at, what is shown of it, and the keys. */
{
  const get = (id) => document.getElementById(id);
  const state = { about: null, palette: null, names: [], scores: [], done: 0, marks: new Map(), frame: null, cards: [], waits: null, share: 0.5, work: new AbortController() };
  const shown = { field: true, valid: true, reconstruction: true, heat: true };

  function tell(error) {
    if (error.name === "AbortError") return;
    const gone = error instanceof TypeError;
    get("problem").textContent = gone ? "medgen view does not answer any more; start it again." : visible(error.message);
    get("problem").hidden = false;
  }
  const quiet = () => { get("problem").hidden = true; };

  /* The list. */
  const marksOf = (frame) => [...(state.marks.get(frame)?.values() ?? [])];
  function describe(frame) {
    const [name, label, finding] = state.names[frame];
    const lines = [make("span", { className: "name" }, make("bdi", { dir: "ltr" }, visible(name)))];
    const said = make("span", { className: "score" });
    for (const [k, run] of state.about.runs.entries()) {
      const [score, flag] = state.scores[frame]?.[k] ?? [undefined, null];
      if (k > 1) break;
      said.append(make("span", { className: flag ? "flagged" : "" }, score === undefined ? "…" : score === null ? "no score" : `${brief(score)} ${decision(flag)}`));
    }
    if (label) said.append(make("span", {}, visible(`${label}, ${finding}`)));
    if (state.marks.get(frame)?.size) said.append(make("span", { className: "badge" }, "marked"));
    return [...lines, said].flatMap((line) => [line, " "]);
  }
  const thumbnail = async (frame, signal) => URL.createObjectURL(await blob(`frames/${frame}/thumbnail`, signal));
  const rows = new FrameRows(get("list"), get("rows"), describe, thumbnail, (frame) => choose(frame));

  function arrange() {
    const part = get("filter").value.toLowerCase();
    const kept = state.names.map((_, frame) => frame).filter((frame) => !part || state.names[frame][0].toLowerCase().includes(part));
    const order = get("order").value;
    const score = (frame) => state.scores[frame]?.[Number(order)]?.[0] ?? -Infinity;
    if (order === "marked") kept.sort((a, b) => (state.marks.get(b)?.size ? 1 : 0) - (state.marks.get(a)?.size ? 1 : 0) || a - b);
    else if (order !== "listed") kept.sort((a, b) => (score(b) === score(a) ? a - b : score(b) - score(a)));
    rows.set(kept);
    rows.choose(state.frame);
  }

  /* What comes in while frames are listed and scored. */
  async function follow() {
    clearTimeout(state.again);
    try {
      const now = await json("state");
      while (state.names.length < now.frames) {
        const before = state.names.length;
        state.names.push(...(await json(`frames?start=${before}`)));
        arrange();
      }
      if (state.frame === null && state.names.length && !(now.listing && kept.frame >= state.names.length)) {
        get("drop").open = false;
        choose(kept.frame < state.names.length ? kept.frame : rows.frames[0]);
      }
      if (now.scored > state.done) {
        const found = await json(`scores?since=${state.done}`);
        state.done += found.length;
        for (const [frame, ...scores] of found) state.scores[frame] = scores;
        rows.update();
      }
      const busy = now.listing || now.scored < now.frames;
      const without = state.scores.filter((runs) => runs.every(([score]) => score === null)).length;
      const counted = `${now.scored - without} scored${without ? `, ${without} without a score` : ""}`;
      const words = now.frames || now.listing ? `${now.frames} frames${now.listing ? ", looking for more" : ""}; ${counted}` : "No frames yet: drop some below.";
      if (get("progress").textContent !== words) get("progress").textContent = words;
      get("refused").hidden = !now.refusals;
      if (now.refusals) {
        get("refused").firstElementChild.textContent = now.refusals === 1 ? "1 file cannot be read" : `${now.refusals} files cannot be read`;
        get("refused").lastElementChild.replaceChildren(...now.refused.map((one) => make("li", {}, visible(`${one.name}: ${one.reason}`))));
      }
      if (state.wasBusy && !busy && !["listed", "marked"].includes(get("order").value)) arrange();
      state.wasBusy = busy;
      state.again = setTimeout(follow, now.scored - state.done > 0 ? 50 : busy ? 700 : 5000);
    } catch (error) {
      tell(error);
      state.again = setTimeout(follow, 5000);
    }
  }

  /* The frame. What is shown of the one before goes once its successor takes longer than an eye notices: it has another name above. */
  function wait() {
    state.waits ??= setTimeout(() => {
      for (const id of ["whole", "cards"]) get(id).hidden = true;
      get("waiting").hidden = false;
      quiet();
    }, 200);
  }
  function waited() {
    clearTimeout(state.waits);
    state.waits = null;
    get("waiting").hidden = true;
    get("cards").hidden = false;
  }

  async function choose(frame) {
    if (frame === null || frame === undefined) return;
    state.frame = frame;
    keepInTab({ frame });
    state.work.abort();
    const { signal } = (state.work = new AbortController());
    const [name, label, finding] = state.names[frame];
    get("title").replaceChildren(`Frame ${rows.place.has(frame) ? rows.place.get(frame) + 1 : "?"} of ${rows.frames.length}: `, make("bdi", { dir: "ltr" }, visible(name)));
    get("facts").textContent = label || finding ? visible(`label ${label || "unknown"}, finding ${finding || "none"}`) : "";
    get("note").value = marksOf(frame).find((mark) => mark.reader === reader())?.note ?? "";
    rows.choose(frame);
    showMarks();
    wait();
    try {
      const facts = await json(`frames/${frame}`, { signal });
      const drawn = facts.runs.map((_, run) => picturesOf(frame, run, facts.runs[run], signal));
      const [picture, ...cards] = await Promise.all([blob(`frames/${frame}/whole`, signal), ...drawn]);
      if (state.frame !== frame) return;
      waited();
      showWhole(get("whole"), picture, facts);
      state.cards = cards;
      quiet();
      fillCards(facts, frame);
      say(facts);
      const next = rows.frames[rows.place.get(frame) + 1];
      if (next !== undefined) json(`frames/${next}`, { signal }).catch(() => {});
    } catch (error) {
      if (state.frame !== frame || error.name === "AbortError") return;
      waited();
      get("whole").hidden = true;
      get("cards").replaceChildren();
      state.cards = [];
      tell(error);
    }
  }

  function fillCards(facts, frame) {
    const open = [...get("cards").querySelectorAll("details")].map((details) => details.open);
    get("cards").replaceChildren(...facts.runs.map((one, run) => runCard(state.about.runs[run], one, Boolean(state.cards[run].drawn), open[run] ?? false, (into) => nearest(into, run, frame))));
    draw();
  }

  function draw() {
    for (const [run, { crop, scores, drawn, facts }] of state.cards.entries()) {
      const box = get("cards").children[run];
      if (!box) continue;
      const { high } = state.about.runs[run].map;
      const level = state.share * high;
      const canvas = box.querySelector("canvas");
      const share = drawCrop(canvas, crop, scores, { level, high, palette: state.palette, heat: shown.heat && facts.map, valid: shown.valid });
      const words = facts.map ? `${(100 * share).toFixed(1)} % of the tissue reaches ${brief(level)} on the map` : "draws no map";
      canvas.setAttribute("aria-label", `What ${state.about.runs[run].name} looks at: ${words}`);
      box.querySelector(".level").textContent = words;
      const over = box.querySelector(".drawn canvas");
      if (over && !over.dataset.done) {
        over.width = over.height = drawn.width;
        over.getContext("2d").drawImage(drawn, 0, 0);
        over.dataset.done = "1";
      }
    }
    get("level-text").textContent = state.about.runs.length === 1 ? brief(state.share * state.about.runs[0].map.high) : `${brief(2 * state.share)} x the level of each run`;
    get("level").setAttribute("aria-valuetext", get("level-text").textContent);
    toggle();
  }

  function toggle() {
    for (const button of document.querySelectorAll(".toggle")) button.setAttribute("aria-pressed", String(shown[button.dataset.what]));
    get("box").style.display = shown.field ? "" : "none";
    for (const drawn of document.querySelectorAll(".drawn")) drawn.hidden = !shown.reconstruction;
  }

  async function nearest(into, run, frame) {
    into.textContent = "looking among the training frames …";
    try {
      const found = await json(`frames/${frame}/runs/${run}/nearest`, { signal: state.work.signal });
      into.replaceChildren(...nearestFrames(found, (row) => blob(`runs/${run}/training/${row}`)));
    } catch (error) {
      if (error.name !== "AbortError") into.textContent = visible(error.message);
    }
  }

  function say(facts) {
    const marked = marksOf(state.frame).map((mark) => `marked by ${mark.reader}`);
    const words = facts.runs.map((one, run) => `${state.about.runs[run].name}: ${inWords(one)}`);
    get("said").textContent = visible([get("title").textContent, ...words, ...marked].join(". "));
  }

  /* Marks. */
  const reader = () => get("reader").value.trim();
  function showMarks() {
    const marks = marksOf(state.frame);
    get("mark").setAttribute("aria-pressed", String(marks.some((mark) => mark.reader === reader())));
    get("marked").textContent = marks.map((mark) => visible(`Marked by ${mark.reader}, ${mark.marked_at}${mark.note ? `: ${mark.note}` : ""}`)).join("; ");
  }

  function keep(mark) {
    if (!state.marks.has(mark.frame)) state.marks.set(mark.frame, new Map());
    state.marks.get(mark.frame).set(mark.reader, mark);
  }

  async function mark(marked) {
    const frame = state.frame;
    if (frame === null) return;
    if (!reader()) {
      get("reader").focus();
      tell(new Error("A mark carries its reader's name: write yours above first."));
      return;
    }
    const asked = { frame, reader: reader(), marked, note: marked ? get("note").value : "" };
    try {
      const made = await json("marks", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
      if (made) keep(made);
      else state.marks.get(frame)?.delete(asked.reader);
      quiet();
      showMarks();
      rows.update();
      get("said").textContent = made ? "Marked for review" : "No longer marked";
    } catch (error) {
      tell(error);
    }
  }
  const isMarked = () => get("mark").getAttribute("aria-pressed") === "true";

  /* Keys and controls. */
  function step(by) {
    const last = rows.frames.length - 1;
    const now = rows.place.get(state.frame) ?? -1;
    const next = Math.min(last, Math.max(0, now + by));
    if (last >= 0 && next !== now) choose(rows.frames[next]);
  }
  function move(by) {
    state.share = Math.min(1, Math.max(0, Math.round(100 * state.share + by) / 100));
    get("level").value = String(100 * state.share);
    draw();
  }
  function flip(what) {
    shown[what] = !shown[what];
    draw();
    get("said").textContent = `${document.querySelector(`[data-what=${what}]`).textContent} ${shown[what] ? "on" : "off"}`;
  }
  const far = Number.MAX_SAFE_INTEGER;
  const moves = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -far, End: far };
  const letters = {
    j: () => step(1), k: () => step(-1), m: () => mark(!isMarked()), n: () => get("note").focus(), "?": () => get("help").showModal(),
    "+": () => move(2), "=": () => move(2), "-": () => move(-2), f: () => flip("field"), v: () => flip("valid"), r: () => flip("reconstruction"), h: () => flip("heat"),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typed(event.target) || get("help").open) return;
    const slides = event.target.matches?.("input[type=range]");
    if (event.key in moves && !slides) step(moves[event.key]);
    else if (event.key in letters && get("keys").checked) letters[event.key]();
    else return;
    event.preventDefault();
  });
  get("note").addEventListener("keydown", (event) => {
    if (event.key === "Enter") mark(true).then(() => get("list").focus());
    if (event.key === "Escape") get("list").focus();
  });
  get("reader").addEventListener("input", () => {
    keepInTab({ reader: get("reader").value });
    showMarks();
  });
  get("reader").addEventListener("keydown", (event) => event.key === "Enter" && get("list").focus());
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));
  get("mark").addEventListener("click", () => mark(!isMarked()));
  get("help-button").addEventListener("click", () => get("help").showModal());
  get("filter").addEventListener("input", arrange);
  get("order").addEventListener("change", arrange);
  get("level").addEventListener("input", () => { state.share = Number(get("level").value) / 100; draw(); });
  function paint(theme) {
    get("theme").value = document.documentElement.dataset.theme = theme;
    keepInTab({ theme });
  }
  get("theme").addEventListener("change", () => paint(get("theme").value));
  for (const button of document.querySelectorAll(".toggle")) button.addEventListener("click", () => flip(button.dataset.what));

  takeDrops([get("files"), get("folder")], async (files) => {
    let [added, refused] = [0, ""];
    for (const [number, [path, file]] of files.entries()) {
      get("dropped").textContent = `Reading ${number + 1} of ${files.length} …`;
      try {
        added += (await json(`drop?name=${encodeURIComponent(path)}`, { method: "POST", body: file })).added;
      } catch (error) {
        refused ||= `; ${visible(`${path}: ${error.message}`)}`;
      }
    }
    follow();
    get("dropped").textContent = `${added} ${added === 1 ? "frame" : "frames"} added from ${files.length} ${files.length === 1 ? "file" : "files"}${refused}`;
  });

  async function begin() {
    paint(kept.theme ?? "");
    state.about = await json("about");
    state.palette = new Uint8Array(await (await ask("palette")).arrayBuffer());
    get("reader").value = kept.reader ?? state.about.reader;
    state.about.runs.forEach((run, k) => get("order").append(make("option", { value: String(k) }, visible(`score of ${run.name}, highest first`))));
    await follow();
    for (const made of await json("marks")) keep(made);
    showMarks();
    rows.update();
    get("list").focus();
  }
  begin().catch(tell);
}
