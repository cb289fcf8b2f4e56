// What the page knows, and what people decided: kept in the browser, undone, exported.
const data = JSON.parse(document.getElementById("data").textContent);
const { classes, samples } = data;
const rowOf = new Map(data.rows.map(row => [row.image, row]));
const keyOf = place => `${samples.set[place]} ${samples.index[place]}`;
const STORE = `supcon-audit ${data.fingerprint}`;
const history = [];
const listeners = [];

// key -> [decision, class number or -1]; null in the store undoes one that came with the page
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) || "{}");
    return found && typeof found === "object" && !Array.isArray(found) ? found : {};
  } catch { return {}; }
}
const known = { ...data.decided, ...stored() };
const valid = said => Array.isArray(said) && (said[0] === "keep" || said[0] === "unusable" || (said[0] === "relabel" && said[1] in classes));
const decided = new Map(Object.entries(known).filter(([, said]) => valid(said)));
let waiting = 0;

function save() {
  waiting = 0;
  const kept = Object.fromEntries(decided);
  for (const key in data.decided) if (!decided.has(key)) kept[key] = null;
  try { localStorage.setItem(STORE, JSON.stringify(kept)); }
  catch { tell("This browser does not keep what you decide: export it before you close the page."); }
}

function changed(keys) {
  if (!waiting) waiting = setTimeout(save, 150);
  for (const listener of listeners) listener(keys);
}

const saidOf = place => decided.get(keyOf(place));

// decision: "accept", "keep", "relabel", "unusable" or "" to clear; gives how many were decided
function decide(places, decision, label = -1) {
  const before = [];
  for (const place of places) {
    const key = keyOf(place), row = rowOf.get(place);
    let said = decision ? [decision, label] : undefined;
    if (decision === "accept") {
      if (!row) continue;
      said = ["relabel", row.suggested];
    }
    if (said && said[0] === "relabel" && said[1] === samples.label[place]) said = ["keep", -1];
    before.push([key, decided.get(key)]);
    if (said) decided.set(key, said); else decided.delete(key);
  }
  if (before.length) {
    history.push(before);
    changed(new Set(before.map(([key]) => key)));
  }
  return before.length;
}

function undo() {
  const before = history.pop();
  if (!before) return null;
  for (const [key, said] of before) if (said) decided.set(key, said); else decided.delete(key);
  changed(new Set(before.map(([key]) => key)));
  return before[0][0];
}

function inWords(said) {
  if (!said) return "";
  return said[0] === "relabel" ? `relabelled ${classes[said[1]]}` : said[0] === "keep" ? "label kept" : "unusable";
}

// decisions on samples that are not on this page, which came with it, go into the file as well
function exported() {
  const places = new Map(samples.set.map((_, place) => [keyOf(place), place]));
  const entries = [];
  let missing = 0;
  for (const [key, [decision, label]] of decided) {
    const place = places.get(key);
    if (place === undefined) {
      if (data.elsewhere[key]) entries.push(data.elsewhere[key]); else missing += 1;
      continue;
    }
    const entry = { set: samples.set[place], index: samples.index[place] };
    if (data.files) entry.path = samples.name[place];
    entry.given = classes[samples.label[place]];
    entry.decision = decision;
    if (decision === "relabel") entry.label = classes[label];
    entries.push(entry);
  }
  entries.sort((a, b) => (a.set < b.set ? -1 : a.set > b.set ? 1 : a.index - b.index));
  return [{ format: data.format, version: data.version, fingerprint: data.fingerprint, decisions: entries }, missing];
}

function download() {
  const [content, missing] = exported();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  tell(`${content.decisions.length.toLocaleString("en")} decisions are in decisions.json. Next: supcon audit RUN --decisions decisions.json --apply corrected.csv${missing ? `. ${missing} on pictures that this page does not show are not in it` : ""}`);
}

function tell(text) {
  const told = document.getElementById("told");
  told.textContent = text;
  told.hidden = !text;
}
window.addEventListener("pagehide", () => { if (waiting) save(); });
window.addEventListener("storage", event => { if (event.key === STORE) tell("Another window decided on the same pictures: reload this one before you go on."); });
