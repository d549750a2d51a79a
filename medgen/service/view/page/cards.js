"use strict";
/* What stands on the page of a run and a frame, beside the pictures that are drawn of them. */

const decision = (flag) => (flag === null ? "" : flag ? "flagged" : "not flagged");

/** Return score, place among the normal frames and decision in words. */
function inWords(facts) {
  if (facts.score === null || facts.score === undefined) return `no score: ${facts.status}; for a person to look at`;
  const rank = facts.quantile === null || facts.quantile === undefined ? "" : `, above ${(100 * facts.quantile).toFixed(1)} % of normal frames`;
  const rare = facts.p_value === null || facts.p_value === undefined ? "" : `, p ${brief(facts.p_value)}`;
  return `score ${brief(facts.score)}${rank}${rare}, ${facts.abnormal === null ? "no threshold" : decision(facts.abnormal)}`;
}

/** Return what stands on the page of one run and one frame; `findNearest` fills its last part when that is opened. */
function runCard(about, facts, reconstructs, open, findNearest) {
  const crop = make("div", { className: "stack" }, make("canvas", { role: "img" }));
  const drawn = make("div", { className: "stack drawn" });
  if (reconstructs) drawn.append(make("canvas", { role: "img", "aria-label": `Reconstruction by ${about.name}` }));
  else drawn.append(make("p", { className: "none" }, facts.score === null ? "no reconstruction" : "does not reconstruct"));
  const near = make("details", { open }, make("summary", {}, "Nearest normal training frames"), make("div", {}));
  near.addEventListener("toggle", () => near.open && findNearest(near.lastElementChild));
  const threshold = about.threshold.value === null || about.threshold.value === undefined ? "no threshold" : `threshold ${brief(about.threshold.value)}`;
  const chart = make("div", {}, histogram(about, facts.score ?? null), make("p", { className: "note" }, `Orange: this frame. Dashed: ${threshold}. Bars: ${about.normals.count} normal validation frames.`));
  return make("section", { className: "card", "aria-label": `Run ${about.name}` }, make("h3", {}, make("bdi", {}, visible(about.name))), make("p", { className: facts.abnormal ? "flagged" : "" }, inWords(facts)),
    make("div", { className: "pictures" }, crop, drawn), make("p", { className: "level" }), chart, near);
}

/** Return the nearest training frames and in which sense they are near; `picture(row)` gets their pictures. */
function nearestFrames(found, picture) {
  const items = found.frames.map((one) => {
    const image = make("img", { alt: "Normal training frame" });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    picture(one.row).then((content) => (image.src = URL.createObjectURL(content)), () => {});
    return make("li", {}, image, make("span", { title: visible(one.path) }, visible(one.path)), make("span", {}, `distance ${brief(one.distance)}`));
  });
  return [make("ul", { className: "near" }, ...items), make("p", { className: "note" }, `The nearest of ${found.among}, in the ${found.space}.`)];
}
