"use strict";
/* The figures, drawn from the numbers of metrics.json that stand in the page. Colours suit light and dark paper alike. */
{
  const { entries } = read("plots-data");
  const COLOURS = ["#2b7fc4", "#d0631a", "#16916b", "#b8569c", "#917300", "#3b8fa8", "#8a6cd1", "#7f7f7f"];
  const DASHES = ["solid", "dash", "dashdot", "dot"];
  const MARKS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star"];
  const KINDS = { normal: ["#2b7fc4", "solid"], abnormal: ["#d0631a", "dash"], unlabelled: ["#7f7f7f", "dot"] };

  /** A name as Plotly shows it: it reads some tags and entities, so none is left. */
  const safe = (name, most = 28) => {
    const text = visible(name);
    const short = text.length > most ? text.slice(0, most - 1) + "…" : text;
    return short.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  };
  const colour = (index) => COLOURS[index % COLOURS.length];
  const dash = (index) => DASHES[Math.floor(index / 2) % DASHES.length];
  const faint = (hex) => hex + "26";
  const axis = (title, more = {}) => ({ title: { text: title }, automargin: true, linecolor: "#7f7f7f", ticks: "outside", tickcolor: "#7f7f7f", ...more });

  const drawn = [];
  function draw(id, traces, layout) {
    const element = typeof id === "string" ? document.getElementById(id) : id;
    if (!element) return;
    if (!traces.length) {
      element.append(make("p", { className: "none" }, "Nothing to draw: it was not measured."));
      return;
    }
    const all = {
      height: 380, margin: { l: 55, r: 12, t: 12, b: 45 }, hovermode: "closest", paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", size: 12 },
      legend: { orientation: "h", y: -0.2, yanchor: "top", bgcolor: "rgba(0,0,0,0)" }, ...layout,
    };
    drawn.push(element);
    Plotly.newPlot(element, traces, all, { displayModeBar: false, responsive: true, showTips: false });
  }

  function curve(kind, across) {
    return entries.flatMap((entry, index) => {
      const points = entry[kind];
      if (points.value.every((value) => value === null)) return [];
      const x = points[across];
      const shared = { x, mode: "lines", legendgroup: String(index), name: safe(entry.name) };
      const band = { ...shared, x: [...x, ...[...x].reverse()], y: [...points.high, ...[...points.low].reverse()], fill: "toself",
        fillcolor: faint(colour(index)), line: { width: 0 }, hoverinfo: "skip", showlegend: false };
      const line = { ...shared, y: points.value, line: { color: colour(index), dash: dash(index), width: 2 },
        hovertemplate: "%{x:.2f}, %{y:.3f}<extra>" + safe(entry.name) + "</extra>" };
      return points.low[0] === null ? [line] : [band, line];
    });
  }

  const unit = { range: [0, 1.01] };
  draw("plot-roc", curve("roc", "false_alarms"), { xaxis: axis("normal frames flagged", unit), yaxis: axis("abnormal frames found", unit), height: 460 });
  draw("plot-precision", curve("precision_recall", "recall"), { xaxis: axis("abnormal frames found (recall)", unit), yaxis: axis("precision", unit), height: 460 });

  for (const entry of entries) {
    const { edges, log, shares, threshold } = entry.histogram;
    const box = make("div", { className: "plot" });
    document.getElementById("plot-scores").append(box);
    const traces = Object.entries(shares).map(([label, share]) => ({
      x: edges, y: [...share, share[share.length - 1]], name: label, mode: "lines", fill: "tozeroy", fillcolor: faint(KINDS[label][0]),
      line: { shape: "hv", color: KINDS[label][0], dash: KINDS[label][1], width: 1.6 }, hovertemplate: "%{y:.1f} %<extra>" + label + "</extra>",
    }));
    const line = { type: "line", x0: threshold, x1: threshold, y0: 0, y1: 1, yref: "paper", line: { dash: "dashdot", width: 1.4, color: "#7f7f7f" } };
    draw(box, traces, {
      height: 250, title: { text: safe(entry.name, 36), x: 0.02, font: { size: 13 } }, margin: { l: 50, r: 10, t: 34, b: 40 }, showlegend: true,
      legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(0,0,0,0)" }, shapes: threshold === null ? [] : [line],
      xaxis: axis("anomaly score", { type: log ? "log" : "linear", nticks: 6 }), yaxis: axis("share, %", { rangemode: "tozero" }),
    });
  }

  /** Rows of values with intervals, one mark for each backend; `rows` gives [title, frames, {value, low, high}] of an entry.
   *  They come in the order of `compare`, as an entry need not have all of them; without one in that of the entries. */
  function dots(id, rows, compare) {
    const tables = entries.map((entry) => rows(entry).filter(([, , share]) => share.value !== null));
    const titles = [...new Set(tables.flat().map(([title]) => title))];
    if (compare) titles.sort(compare);
    const counted = titles.map((title) => { // entries that see frames at different sizes may count a finding in one class or in the next
      const counts = tables.flat().filter(([name]) => name === title).map(([, count]) => count);
      const [least, most] = [Math.min(...counts), Math.max(...counts)];
      return `${title} (${least === most ? least : `${least} to ${most}`})`;
    });
    const traces = tables.map((table, index) => ({
      name: safe(entries[index].name), mode: "markers", type: "scatter", x: table.map(([, , share]) => share.value),
      y: table.map(([title]) => -titles.indexOf(title) + 0.35 - (0.7 * (index + 0.5)) / tables.length),
      error_x: { type: "data", symmetric: false, thickness: 1.2, width: 0, color: colour(index),
        array: table.map(([, , share]) => share.high - share.value), arrayminus: table.map(([, , share]) => share.value - share.low) },
      marker: { color: colour(index), symbol: MARKS[index % MARKS.length], size: 8 },
      hovertemplate: "%{x:.3f}<extra>" + safe(entries[index].name) + "</extra>",
    }));
    draw(id, titles.length ? traces : [], {
      height: 110 + titles.length * (24 + 11 * entries.length), margin: { l: 20, r: 12, t: 8, b: 45 },
      legend: { orientation: "h", y: -70 / (titles.length * (24 + 11 * entries.length)), yanchor: "top", bgcolor: "rgba(0,0,0,0)" },
      xaxis: axis("share of the frames that is flagged", { range: [-0.02, 1.02], zeroline: false }),
      yaxis: axis("", { tickvals: titles.map((_, row) => -row), ticktext: counted.map((title) => safe(title, 38)), zeroline: false, range: [0.6 - titles.length, 0.6] }),
    });
  }
  dots("plot-findings", (entry) => entry.findings.map((row) => [row.finding || "none given", row.frames, row.flagged]));
  dots("plot-sizes", (entry) => (entry.groups["size of the finding"] ?? []).map((row) => [row.name, row.abnormal, row.flagged_abnormal]),
    new Intl.Collator("en", { numeric: true }).compare); // "5 to 20" before "20 to 100"

  function cost(id, key, title) {
    const known = entries.map((entry, index) => [entry, index]).filter(([{ summary }]) => summary[key].value > 0 && summary.auroc.value !== null);
    const values = known.map(([{ summary }]) => summary[key].value);
    const traces = known.map(([{ name, summary }, index]) => ({
      x: [summary[key].value], y: [summary.auroc.value], name: safe(name), mode: "markers",
      marker: { color: colour(index), symbol: MARKS[index % MARKS.length], size: 11 }, hovertemplate: "%{x:.3g}, %{y:.3f}<extra>" + safe(name) + "</extra>",
      error_y: summary.auroc.low === null ? {} : { type: "data", symmetric: false, thickness: 1.2, width: 0, color: colour(index),
        array: [summary.auroc.high - summary.auroc.value], arrayminus: [summary.auroc.value - summary.auroc.low] },
    }));
    const wide = Math.max(...values) / Math.min(...values) >= 20;
    draw(id, traces, { xaxis: axis(title, { type: wide ? "log" : "linear" }), yaxis: axis("AUROC"), showlegend: true });
  }
  cost("plot-time", "training_seconds", "training time, s");
  cost("plot-speed", "frames_per_second", "frames scored per second");

  /* A sheet is about a thousand pixels wide. */
  const resize = (width) => drawn.forEach((element) => Plotly.relayout(element, width(element)));
  addEventListener("beforeprint", () => resize((element) => ({ width: element.id ? 490 : 320 })));
  addEventListener("afterprint", () => resize(() => ({ width: null, autosize: true })));
}
