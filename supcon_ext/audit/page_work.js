// Views, filters, pages, keys.
const PAGE = { labels: 50, groups: 10, classes: 1, duplicates: 20, outliers: 50 };
const distanceOf = new Map(data.outliers);
const items = byId("items"), form = byId("filters"), large = byId("large");
const orders = {
  suspicion: (a, b) => b.suspicion - a.suspicion,
  confidence: (a, b) => b.confidence - a.confidence,
  given: (a, b) => byName(classes[samples.label[a.image]], classes[samples.label[b.image]]),
  suggested: (a, b) => byName(classes[a.suggested], classes[b.suggested]),
  name: (a, b) => byName(samples.name[a.image], samples.name[b.image]),
};
const about = {
  labels: "The most suspicious first. A decision goes on to the next undecided one.",
  groups: "Look-alikes with the same given and the same suggested label. Deselect what does not belong, then decide on all others at once.",
  classes: "Where most labels of a class look wrong, the class itself may be at fault: two classes that are one, or a name that was swapped.",
  duplicates: `Pictures that are there twice, or look the same: across splits first, then with different labels.${data.more.duplicates ? ` ${data.more.duplicates.toLocaleString("en")} more groups are in duplicates.csv.` : ""}`,
  outliers: `Pictures that are far from all others, the farthest first.${data.more.outliers ? ` ${data.more.outliers.toLocaleString("en")} more are in outliers.csv.` : ""}`,
};
let view = "labels", page = 0, chosen = [], largest = -1, opener = null;

const groupsOf = {
  groups: data.groups.map(rows => ({
    places: rows.map(number => data.rows[number].image),
    title: () => heading(data.rows[rows[0]]),
    suggestion: data.rows[rows[0]].suggested,
    out: new Set(),
  })),
  duplicates: data.alike.map(alike => ({
    places: alike.members,
    title: () => make("h2", "", alike.splits.length > 1 ? make("span", "warn", `In ${alike.splits.join(" and ")}`) : `In ${alike.splits[0]}`, alike.differs ? make("span", "warn", ", with different labels") : ", with the same label"),
    note: alike.same.every(Boolean) ? "The same to the last pixel" : "They look nearly the same",
    extra: place => alike.same[alike.members.indexOf(place)] ? samples.split[place] : `${samples.split[place]}, ${alike.bits[alike.members.indexOf(place)]} bits apart`,
    out: new Set(alike.members.slice(0, 1)),
  })),
};
const texts = new Map();
function textOf(place) {
  if (!texts.has(place)) texts.set(place, `${samples.name[place]}\n${classes[samples.label[place]]}\n${rowOf.has(place) ? classes[rowOf.get(place).suggested] : ""}`.toLowerCase());
  return texts.get(place);
}

function passing() {
  const [given, suggested, split, said] = ["given", "suggested", "split", "decided"].map(id => byId(id).value);
  const least = Number(byId("confidence").value), wanted = byId("search").value.trim().toLowerCase();
  byId("least").textContent = least.toFixed(2);
  return place => {
    const row = rowOf.get(place), now = saidOf(place);
    return (given === "" || samples.label[place] === Number(given))
      && (suggested === "" || (row && row.suggested === Number(suggested)))
      && (split === "" || samples.split[place] === split)
      && (said === "" || (said === "undecided" ? !now : now && (said === "decided" || now[0] === said)))
      && (!least || (row && row.confidence >= least))
      && (!wanted || textOf(place).includes(wanted));
  };
}

function choose() {
  const passes = passing();
  if (view === "labels") {
    chosen = data.rows.filter(row => passes(row.image)).sort(orders[byId("order").value]).map(row => row.image);
  } else if (view === "outliers") {
    chosen = data.outliers.map(([place]) => place).filter(passes);
  } else if (view === "classes") {
    chosen = ["classes"];
  } else {
    const all = view === "groups";
    chosen = groupsOf[view].map(group => ({ ...group, places: all ? group.places.filter(passes) : group.places })).filter(group => all ? group.places.length : group.places.some(passes));
  }
  page = 0;
  draw();
}

// What is typed is looked for a moment later; by then someone may have gone on to a card.
let typing = 0;
function chooseTyped() {
  clearTimeout(typing);
  typing = 0;
  const item = current(), place = item && placesOf(item)[0];
  choose();
  if (item && !turnTo(place)) focusOn(items.firstElementChild);
}

function draw() {
  const size = PAGE[view], last = Math.max(1, Math.ceil(chosen.length / size));
  page = Math.min(Math.max(page, 0), last - 1);
  const shown = chosen.slice(page * size, (page + 1) * size);
  if (view === "classes") items.replaceChildren(make("li", "", classTable(lookAt)));
  else items.replaceChildren(...shown.map(one => typeof one === "number" ? fill(make("li"), one) : fillGroup(make("li"), one)));
  byId("about").textContent = chosen.length ? about[view] : "Nothing here.";
  byId("pages").hidden = last < 2;
  byId("page").value = page + 1;
  byId("page").max = last;
  byId("last").textContent = last.toLocaleString("en");
  byId("previous").disabled = page === 0;
  byId("next").disabled = page === last - 1;
  const all = { labels: data.rows, outliers: data.outliers }[view] || groupsOf[view];
  byId("count").textContent = view === "classes" ? "" : `${chosen.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} shown`;
  for (const button of byId("views").children) button.setAttribute("aria-current", button.dataset.view === view);
  count();
}

function count() {
  const done = data.rows.reduce((sum, row) => sum + (saidOf(row.image) ? 1 : 0), 0);
  byId("progress").textContent = `${done.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} decided`;
  byId("undo").disabled = !history.length;
}

function go(name) {
  view = name;
  choose();
  window.scrollTo(0, 0);
}

function lookAt(label) {
  form.reset();
  byId("given").value = label;
  go("labels");
}

function turnPage(step) {
  const before = page;
  page += step;
  draw();
  if (page !== before) { window.scrollTo(0, 0); focusOn(items.firstElementChild); }
}

// The card of a place, on whichever page it is; false if it is on none.
function turnTo(place) {
  const at = chosen.findIndex(one => one === place || (one.places && one.places.includes(place)));
  if (at < 0) return false;
  if (Math.floor(at / PAGE[view]) !== page) { page = Math.floor(at / PAGE[view]); draw(); }
  focusOn(items.children[at - page * PAGE[view]]);
  return true;
}

function focusOn(item) {
  if (item) { item.focus({ preventScroll: true }); item.scrollIntoView({ block: "nearest" }); }
}

// The card under way: the one that has the focus, or holds it.
const current = () => document.activeElement.closest ? document.activeElement.closest("#items > .card") : null;
const placesOf = item => item.group ? item.group.places : [Number(item.dataset.place)];

function move(step) {
  const cards = [...items.querySelectorAll(":scope > .card")];
  const at = cards.indexOf(current());
  focusOn(cards[at < 0 ? 0 : Math.min(Math.max(at + step, 0), cards.length - 1)]);
}

function isOpen(item) {
  return item.group ? item.group.places.some(place => !saidOf(place)) : !saidOf(Number(item.dataset.place));
}

function say(places, decision, label) {
  const item = current();
  if (!decide(places, decision, label) || !decision) return;
  if (large.open) { moveLarge(1); return; }
  let next = item && item.nextElementSibling;
  while (next && !isOpen(next)) next = next.nextElementSibling;
  if (next) focusOn(next);
}

// The picture, large; within it the same keys.
function showLarge(place) {
  largest = place;
  const item = fill(make("div"), place);
  item.removeAttribute("tabindex");
  item.querySelector(".acts").append(act("Previous", "\u2190", () => moveLarge(-1)), act("Next", "\u2192", () => moveLarge(1)), act("Close", "Esc", () => large.close()));
  large.firstElementChild.replaceChildren(item);
  if (!large.open) {
    opener = document.activeElement;
    large.showModal();
  }
}

function moveLarge(step) {
  const places = chosen.flatMap(one => typeof one === "number" ? [one] : one.places || []);
  const at = places.indexOf(largest) + step;
  if (places[at] !== undefined) showLarge(places[at]); else showLarge(largest);
}
large.addEventListener("close", () => {
  if (large.open) return; // opened again before it was told
  if (document.activeElement !== opener && items.contains(document.activeElement)) return; // gone on
  turnTo(largest);
});

// The dialog that asks for another label.
let asked = [], back = null;
function askLabel(places) {
  if (!places.length) return;
  asked = places;
  back = document.activeElement;
  byId("wanted").value = "";
  offer();
  byId("relabel").showModal();
  byId("wanted").focus();
}

function offer() {
  const wanted = byId("wanted").value.trim().toLowerCase();
  const found = classes.map((name, number) => [name, number]).filter(([name]) => name.toLowerCase().includes(wanted));
  found.sort((a, b) => (b[0].toLowerCase() === wanted) - (a[0].toLowerCase() === wanted) || byName(a[0], b[0]));
  byId("classes").replaceChildren(...found.slice(0, 200).map(([name, number], place) => {
    const option = make("li", "", name);
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", place === 0);
    option.dataset.label = number;
    option.addEventListener("click", () => relabelTo(number));
    return option;
  }));
}

function relabelTo(number) {
  byId("relabel").close();
  if (back && document.contains(back)) back.focus({ preventScroll: true });
  back = null;
  say(asked, "relabel", number);
}
byId("wanted").addEventListener("input", offer);
byId("wanted").addEventListener("keydown", event => {
  const options = [...byId("classes").children], at = options.findIndex(option => option.getAttribute("aria-selected") === "true");
  if (event.key === "Enter") {
    event.preventDefault();
    if (options[at]) relabelTo(Number(options[at].dataset.label));
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const to = Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), options.length - 1);
    options.forEach((option, place) => option.setAttribute("aria-selected", place === to));
    if (options[to]) options[to].scrollIntoView({ block: "nearest" });
  }
});
byId("cancel").addEventListener("click", () => byId("relabel").close());
byId("relabel").addEventListener("close", () => { if (back && document.contains(back)) back.focus({ preventScroll: true }); });

function takeBack() {
  const key = undo();
  if (key === null) return;
  if (large.open) {
    const place = samples.set.findIndex((_, one) => keyOf(one) === key);
    if (place >= 0) showLarge(place);
    return;
  }
  focusOn([...items.children].find(item => placesOf(item).some(place => keyOf(place) === key)));
}

listeners.push(keys => {
  for (const item of items.children) {
    if (placesOf(item).some(place => keys.has(keyOf(place)))) redraw(item);
  }
  count();
});

const simple = { z: takeBack, e: download, "?": () => byId("keys").showModal(), "/": () => byId("search").focus(), n: () => turnPage(1), p: () => turnPage(-1) };
const verdicts = { a: "accept", k: "keep", u: "unusable", c: "" };
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("relabel").open || byId("keys").open) return;
  const field = event.target.closest("input, select, textarea");
  if (field) {
    if (event.key === "Escape" || (event.key === "Enter" && field.type === "search")) {
      event.preventDefault(); // the browser's own Escape would empty the search
      if (typing) chooseTyped();
      field.blur();
    }
    return;
  }
  const item = current(), group = item && item.group;
  const places = large.open ? [largest] : group ? group.places.filter(place => !group.out.has(place)) : item ? [Number(item.dataset.place)] : [];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in verdicts && places.length) say(places, verdicts[key]);
  else if (key === "r" && places.length) askLabel(places);
  else if (key === "t" && group && !large.open) turn(item);
  else if (large.open && ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"].includes(key)) moveLarge(key === "ArrowRight" || key === "ArrowDown" ? 1 : -1);
  else if (key === "ArrowDown") move(1);
  else if (key === "ArrowUp") move(-1);
  else if (key === "Enter" && !large.open && item && (event.target === item || event.target.dataset.place)) showLarge(Number(event.target.dataset.place || group.places[0]));
  else if (!large.open && key in simple || key === "z") simple[key]();
  else if (!large.open && byId("views").children[Number(key) - 1]) go(byId("views").children[Number(key) - 1].dataset.view);
  else return;
  event.preventDefault();
});

function options(select, counted, text) {
  select.append(new Option("all", ""));
  for (const [value, number] of counted) select.append(new Option(`${text(value)} (${number.toLocaleString("en")})`, value));
}
function tally(of) {
  const counts = new Map();
  for (const row of data.rows) counts.set(of(row), (counts.get(of(row)) || 0) + 1);
  return counts;
}
const named = counts => [...counts].sort((a, b) => byName(classes[a[0]], classes[b[0]]));
options(byId("given"), named(tally(row => samples.label[row.image])), label => classes[label]);
options(byId("suggested"), named(tally(row => row.suggested)), label => classes[label]);
options(byId("split"), tally(row => samples.split[row.image]), split => split);
for (const [name, text, number] of [["labels", "Labels", data.rows.length], ["groups", "Groups", data.groups.length], ["classes", "Classes", 0], ["duplicates", "Duplicates", data.alike.length + data.more.duplicates], ["outliers", "Outliers", data.outliers.length + data.more.outliers]]) {
  const button = make("button", "", text, number ? ` ${number.toLocaleString("en")}` : "");
  button.type = "button";
  button.dataset.view = name;
  button.addEventListener("click", () => go(name));
  byId("views").append(button);
}
form.addEventListener("input", event => {
  clearTimeout(typing);
  typing = event.target.type === "search" || event.target.type === "range" ? setTimeout(chooseTyped, 120) : 0;
  if (!typing) choose();
});
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", () => setTimeout(choose));
byId("undo").addEventListener("click", takeBack);
byId("export").addEventListener("click", download);
byId("help").addEventListener("click", simple["?"]);
byId("previous").addEventListener("click", () => turnPage(-1));
byId("next").addEventListener("click", () => turnPage(1));
byId("page").addEventListener("change", () => { page = Number(byId("page").value) - 1; draw(); });
choose();
