"use strict";
/* The list of frames: of any number of them only the rows in sight exist, and only these ask for their thumbnails. */

const ROW = 76; // pixels, as in view.css
const SPARE = 4; // rows above and below those in sight
const REST = 90; // milliseconds without scrolling until thumbnails are asked for
const HELD = 400; // thumbnails in memory

class FrameRows {
  /** `describe(frame)` returns the children of a row behind its thumbnail; `fetchThumbnail(frame, signal)` an address. */
  constructor(list, rows, describe, fetchThumbnail, onChoose) {
    Object.assign(this, { list, rows, describe, fetchThumbnail, onChoose });
    this.frames = []; // in the order of the list
    this.place = new Map(); // frame -> place
    this.chosen = null;
    this.shown = new Map(); // place -> element
    this.thumbnails = new Map(); // frame -> address, the oldest first
    this.wanted = new Map(); // frame -> AbortController
    list.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(list);
    rows.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) onChoose(Number(row.dataset.frame));
    });
  }

  /** Take another order of frames. */
  set(frames) {
    this.frames = frames;
    this.place = new Map(frames.map((frame, place) => [frame, place]));
    this.rows.style.height = `${frames.length * ROW}px`;
    for (const row of this.shown.values()) row.remove();
    this.shown.clear();
    this.draw();
  }

  /** Show a frame as chosen, and bring it into sight. */
  choose(frame) {
    this.chosen = frame;
    const place = this.place.get(frame);
    if (place === undefined) return this.update();
    const [top, height] = [place * ROW, this.list.clientHeight];
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    else if (top + ROW > this.list.scrollTop + height) this.list.scrollTop = top + ROW - height;
    this.draw();
    return this.update();
  }

  /** Describe the rows in sight anew. */
  update() {
    for (const [place, row] of this.shown) this.fill(row, this.frames[place], place);
    const chosen = this.shown.get(this.place.get(this.chosen));
    if (chosen) this.list.setAttribute("aria-activedescendant", chosen.id);
    else this.list.removeAttribute("aria-activedescendant");
  }

  draw() {
    const first = Math.max(0, Math.floor(this.list.scrollTop / ROW) - SPARE);
    const last = Math.min(this.frames.length, Math.ceil((this.list.scrollTop + this.list.clientHeight) / ROW) + SPARE);
    for (const [place, row] of this.shown) {
      if (place >= first && place < last) continue;
      row.remove();
      this.shown.delete(place);
    }
    for (let place = first; place < last; place++) {
      if (this.shown.has(place)) continue;
      const row = make("div", { className: "row", id: `row-${place}`, role: "option" });
      row.style.top = `${place * ROW}px`;
      this.fill(row, this.frames[place], place);
      this.shown.set(place, row);
      this.rows.append(row);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), REST);
  }

  fill(row, frame, place) {
    row.dataset.frame = frame;
    row.setAttribute("aria-selected", String(frame === this.chosen));
    row.setAttribute("aria-setsize", String(this.frames.length));
    row.setAttribute("aria-posinset", String(place + 1));
    const thumb = make("span", { className: "thumb" });
    if (this.thumbnails.has(frame)) thumb.append(make("img", { src: this.thumbnails.get(frame), alt: "" }));
    row.replaceChildren(thumb, make("span", {}, ...this.describe(frame)));
  }

  /** Ask for the thumbnails in sight, and no longer for those that are out of it. */
  ask() {
    const inSight = new Set([...this.shown.keys()].map((place) => this.frames[place]));
    for (const [frame, control] of this.wanted) if (!inSight.has(frame)) control.abort();
    for (const frame of inSight) {
      if (this.thumbnails.has(frame) || this.wanted.has(frame)) continue;
      const control = new AbortController();
      this.wanted.set(frame, control);
      this.fetchThumbnail(frame, control.signal)
        .then((address) => this.keep(frame, address), () => {})
        .finally(() => this.wanted.delete(frame));
    }
  }

  keep(frame, address) {
    this.thumbnails.set(frame, address);
    for (const [old, gone] of this.thumbnails) {
      if (this.thumbnails.size <= HELD) break;
      URL.revokeObjectURL(gone);
      this.thumbnails.delete(old);
    }
    const place = this.place.get(frame);
    const row = this.shown.get(place);
    if (row) this.fill(row, frame, place);
  }
}
