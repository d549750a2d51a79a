"use strict";
/* Frames that are dropped or chosen: sent one file after the other, folders with all that lies in them. */

/** Call `take(files)` with [path, File] pairs of whatever is dropped on the page or chosen in an input. */
function takeDrops(inputs, take) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      take([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
      input.value = "";
    });
  }
  let depth = 0; // how many elements the pointer has entered with its load
  const over = (by) => document.body.classList.toggle("over", (depth = Math.max(0, depth + by)) > 0);
  addEventListener("dragenter", () => over(1));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    over(-depth);
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const loose = entries.length ? [] : [...event.dataTransfer.files].map((file) => [file.name, file]);
    take([...loose, ...(await Promise.all(entries.map((entry) => filesIn(entry)))).flat()]);
  });
}

/** Return [path, File] of an entry of a file system, and of all that lies in it where it is a folder. */
async function filesIn(entry) {
  if (entry.isFile) return [[entry.fullPath.replace(/^\//, ""), await new Promise((done, failed) => entry.file(done, failed))]];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // a hundred at a time
    if (!some.length) break;
    for (const inner of some) found.push(...(await filesIn(inner)));
  }
  return found.sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }));
}
