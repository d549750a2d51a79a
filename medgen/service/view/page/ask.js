"use strict";
/* How the page asks the program for data: with the token of its own address. */

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

async function ask(path, options = {}) {
  const answer = await fetch(`data/${path}`, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
  if (answer.ok) return answer;
  if (answer.status === 401) throw new Error("This address lacks its token, or has an old one: open the address that medgen view printed.");
  const text = await answer.json().then((body) => body.error ?? body.detail, () => answer.statusText);
  throw new Error(typeof text === "string" ? text : "the page asked for something that there is not");
}
const json = async (path, options) => (await ask(path, options)).json();
const blob = async (path, signal) => (await ask(path, { signal })).blob();

/** Tell whether what is typed there is text. */
const typed = (target) => target.matches?.("input:not([type=range], [type=checkbox], [type=file]), select, textarea");
