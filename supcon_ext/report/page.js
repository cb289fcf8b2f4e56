"use strict";
// The picture and the words of a point of the map, beside the pointer, the finger or the focus.
const told = JSON.parse(document.getElementById("told").textContent);
const near = document.getElementById("near");
let point = null;
const place = () => {
  const at = point.getBoundingClientRect(), box = near.getBoundingClientRect();
  const left = Math.min(at.right + 10, innerWidth - box.width - 8);
  const above = at.top - box.height - 10;
  near.style.left = Math.max(8, left) + "px";
  near.style.top = (above > 8 ? above : Math.min(at.bottom + 10, innerHeight - box.height - 8)) + "px";
};
const show = (event) => {
  point = event.target.closest(".map circle");
  near.hidden = !point;
  if (!point) return;
  const [words, picture] = told.points[point.dataset.i];
  near.replaceChildren();
  if (picture) { const image = new Image(); image.alt = ""; image.src = picture; near.append(image); }
  near.append(words);
  place();
};
for (const kind of ["pointerover", "pointerdown", "focusin"]) addEventListener(kind, show);
// a page that is still gliding to where it was scrolled must not hide what was asked for
addEventListener("scroll", () => { if (point) place(); }, { passive: true });
