// What is drawn: pictures, cards of one sample, groups of samples, the table of classes.
const byId = id => document.getElementById(id);
const names = new Intl.Collator(undefined, { numeric: true });
const byName = (a, b) => names.compare(a, b);

function make(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

function act(text, key, work, className) {
  const button = make("button", className, text, make("kbd", "", key));
  button.type = "button";
  button.addEventListener("click", work);
  return button;
}

function picture(place, extra) {
  const figure = make("figure"), image = make("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 32 && image.naturalHeight <= 32));
  image.alt = `${samples.name[place]}, labelled ${classes[samples.label[place]]}`;
  image.title = samples.name[place];
  image.src = data.images[place];
  const said = saidOf(place);
  figure.append(image, make("figcaption", "", classes[samples.label[place]], ...(said ? [make("b", "", `, ${inWords(said)}`)] : []), ...(extra ? [make("br"), extra] : [])));
  return figure;
}

function zoomed(place, figure) {
  const button = make("button", "open", figure);
  button.type = "button";
  button.setAttribute("aria-label", `${figure.querySelector("img").alt}: show large`);
  button.addEventListener("click", () => showLarge(place));
  return button;
}

function strip(title, places) {
  const made = make("div", "strip", make("p", "", title));
  made.append(...places.map(place => zoomed(place, picture(place))));
  return made;
}

function acts(places, suggestion) {
  const made = make("div", "acts");
  if (suggestion !== undefined) made.append(act(`Accept ${classes[suggestion]}`, "a", () => say(places(), "accept"), "accept"));
  made.append(
    act("Keep label", "k", () => say(places(), "keep"), "keep"),
    act("Relabel", "r", () => askLabel(places()), "other"),
    act("Unusable", "u", () => say(places(), "unusable"), "leave"));
  return made;
}

function heading(row) {
  const title = make("h2");
  title.append("given ", make("span", "given", classes[samples.label[row.image]]), ", looks like ", make("span", "new", classes[row.suggested]));
  return title;
}

// One sample: its picture, what is said of it, and its neighbours of either kind.
function fill(item, place) {
  const row = rowOf.get(place), said = saidOf(place);
  item.className = `card sample ${said ? said[0] : ""}`;
  item.dataset.place = place;
  item.tabIndex = 0;
  const what = make("div", "what");
  what.append(row ? heading(row) : make("h2", "", "given ", make("span", "given", classes[samples.label[place]])));
  if (row) what.append(make("p", "", `confidence ${row.confidence.toFixed(2)}, suspicion ${row.suspicion.toFixed(2)}, ${samples.split[place]}`));
  else what.append(make("p", "", samples.split[place]));
  if (distanceOf.has(place)) what.append(make("p", "", `${(distanceOf.get(place) / data.usual).toFixed(0)} times as far from its nearest as is usual`));
  what.append(make("p", "", samples.name[place]), make("p", "said", inWords(said)), acts(() => [place], row && row.suggested));
  const own = make("div", "own", zoomed(place, picture(place)));
  const near = make("div", "near");
  if (row) near.append(
    strip(row.agree.length ? "Nearest with the same label" : "No neighbour has the same label", row.agree),
    strip(row.near.length ? "Nearest with another label" : "No neighbour has another label", row.near));
  item.replaceChildren(own, what, near);
  return item;
}

// Several samples judged at once: a key decides on those that are selected.
function fillGroup(item, group) {
  const taken = place => !group.out.has(place);
  const chosen = () => group.places.filter(taken);
  item.className = "card group";
  item.tabIndex = 0;
  item.group = group;
  const head = make("div", "what", group.title());
  const open = group.places.filter(place => !saidOf(place)).length;
  head.append(make("p", "", `${group.places.length} pictures, ${open} undecided${group.note ? `. ${group.note}` : ""}`));
  const buttons = acts(chosen, group.suggestion);
  buttons.append(act(chosen().length ? "Select none" : "Select all", "t", () => turn(item)), act("Large", "Enter", () => showLarge(group.places[0])));
  head.append(make("p", "said", `${chosen().length} selected`), buttons);
  const grid = make("div", "grid");
  for (const place of group.places) {
    const button = make("button", "pick", picture(place, group.extra ? group.extra(place) : ""));
    button.type = "button";
    button.dataset.place = place;
    button.setAttribute("aria-pressed", taken(place));
    button.addEventListener("click", () => {
      if (taken(place)) group.out.add(place); else group.out.delete(place);
      redraw(item, place);
    });
    button.addEventListener("dblclick", () => showLarge(place));
    grid.append(button);
  }
  item.replaceChildren(head, grid);
  return item;
}

function turn(item) {
  const { group } = item;
  if (group.places.some(place => !group.out.has(place))) group.places.forEach(place => group.out.add(place));
  else group.out.clear();
  redraw(item);
}

function redraw(item, place) {
  const held = item.contains(document.activeElement);
  if (item.group) fillGroup(item, item.group); else fill(item, Number(item.dataset.place));
  if (held) ((place !== undefined && item.querySelector(`.pick[data-place="${place}"]`)) || item).focus({ preventScroll: true });
}

function classTable(show) {
  const head = make("tr");
  for (const [text, className] of [["Class", ""], ["Pictures", "number"], ["Look wrong", "number"], ["Share", "number"], ["Look most like", ""], ["", ""]]) {
    const cell = make("th", className, text);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  for (const part of [...data.byClass].sort((a, b) => b.flagged / Math.max(1, b.count) - a.flagged / Math.max(1, a.count))) {
    const share = part.count ? part.flagged / part.count : 0;
    const row = make("tr", "", make("td", share > 0.5 ? "warn" : "", classes[part.label], share > 0.5 ? " (in doubt as a whole)" : ""), make("td", "number", part.count.toLocaleString("en")), make("td", "number", part.flagged.toLocaleString("en")), make("td", "number", `${(100 * share).toFixed(1)} %`), make("td", "", part.like < 0 ? "" : `${classes[part.like]} (${part.likes.toLocaleString("en")})`));
    const look = make("td");
    if (part.flagged) {
      const button = make("button", "", "Look");
      button.type = "button";
      button.setAttribute("aria-label", `Look at labels ${classes[part.label]}`);
      button.addEventListener("click", () => show(part.label));
      look.append(button);
    }
    row.append(look);
    body.append(row);
  }
  return make("div", "table", make("table", "", make("thead", "", head), body));
}
