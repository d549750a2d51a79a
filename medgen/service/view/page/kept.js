"use strict";
/* What a reload keeps: frame, reader and colours, in this tab and for this start of medgen view alone. */

const KEPT = `medgen view ${token}`;
const kept = (() => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {};
  } catch {
    return {}; // a browser may keep nothing
  }
})();

function keepInTab(what) {
  Object.assign(kept, what);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    /* then the page begins anew when it is loaded again */
  }
}
