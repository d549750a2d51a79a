"use strict";
/* What every script of the page uses, and the tables that sort. No name is ever parsed as markup: text goes in as text. */

const read = (id) => JSON.parse(document.getElementById(id).textContent);

/** Show characters that hide or turn text around as escapes, as the rest of the page does. */
const visible = (text) =>
  String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (sign) => "\\u" + sign.codePointAt(0).toString(16).padStart(4, "0"));

/** Make an element with properties and children; strings become text. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Compare two cells: numbers by size, text by alphabet, what is missing last in either direction. */
function order(a, b, falling) {
  const empty = (value) => ["", "–", null, undefined].includes(value);
  if (empty(a) || empty(b)) return empty(a) - empty(b);
  const [x, y] = [Number(a), Number(b)];
  const sign = Number.isNaN(x) || Number.isNaN(y) ? String(a).localeCompare(String(b)) : x - y;
  return falling ? -sign : sign;
}

/** Give the head of the sorted column its direction and clear the others; return whether the order falls now. */
function turn(head) {
  const falling = head.getAttribute("aria-sort") !== "descending";
  for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  return falling;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
  heads.forEach((head, column) =>
    head.firstElementChild.addEventListener("click", () => {
      const falling = turn(head);
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => order(key(a, column), key(b, column), falling));
      table.tBodies[0].append(...rows);
    })
  );
}

/* On paper nothing can be opened by a click. */
const closed = new Set();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    closed.add(details);
    details.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const details of closed) details.open = false;
  closed.clear();
});
