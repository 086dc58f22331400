"use strict";
// The page without this is two pictures side by side. With it they are one: both show the same moments at the same
// height, and what is pointed at in one lights up its task in the other. All that is told of a thing is in its <title>.

const main = document.querySelector("main");
const panes = [...document.querySelectorAll(".pane")];
const told = document.getElementById("told");
const help = told.innerHTML;
const SVG = "http://www.w3.org/2000/svg";
const isAlone = main.matches(".alone");  // the timeline: there is no datagram
const about = new Map();  // what is told of a thing

// What is shown: both pictures, and all in them that has a beginning.
let pictures = [];
let things = [];
let byTask = new Map();

// -- telling ----------------------------------------------------------------------------------------------------------

// Titles would come up as the browser's own hints, late and small; the panel has them at once.
function takeTitles() {
  for (const thing of things) {
    const title = thing.querySelector(":scope > title");
    if (!about.has(thing)) about.set(thing, title ? title.textContent : "");
    title?.remove();
    thing.setAttribute("role", "img");
    thing.setAttribute("aria-label", about.get(thing).replaceAll("\n", ", "));
    thing.setAttribute("tabindex", "-1");
  }
  for (const pane of panes) pane.querySelector("[data-entry]")?.setAttribute("tabindex", "0");
  for (const picture of pictures) picture.setAttribute("role", "group");
}

function tell(thing) {
  if (!thing) {
    told.innerHTML = help;
    return;
  }
  told.replaceChildren(...about.get(thing).split("\n").map(line => {
    const p = document.createElement("p");
    p.textContent = line;
    return p;
  }));
  told.firstChild.classList.toggle("pinned", pinned === thing);
}

// -- pointing ---------------------------------------------------------------------------------------------------------

let picked = null;  // what is shown
let pinned = null;  // what stays shown: it was clicked, or chosen with the keyboard

// The tasks that are not shown and that a box stands for.
const hiddenIn = thing => thing.dataset.hidden?.split(" ") ?? [];

function pick(thing) {
  for (const lit of main.querySelectorAll(".lit")) lit.classList.remove("lit", "picked");
  picked = thing;
  main.classList.toggle("looking", Boolean(thing));
  if (thing) {
    for (const task of [thing.dataset.task, ...hiddenIn(thing)])
      for (const other of byTask.get(task) ?? []) other.classList.add("lit");
    thing.classList.add("lit", "picked");
    if (strayed) align(thing.closest(".pane"));
    requestAnimationFrame(() => {  // when the pane of a thing that was reached by a key has moved
      if (picked === thing) showSome(panes.find(pane => !pane.contains(thing)));
    });
  }
  tell(thing);
}

function pin(thing) {
  pinned = thing;
  pick(thing);
}

const ENOUGH = 16;  // pixels of a thing that is in sight

// What of a pane is not below the names and the times.
function frameOf(pane) {
  const { left, top } = pane.getBoundingClientRect();
  return {
    left: left + TIMES * zoom, right: left + pane.clientWidth,
    top: top + (pane.id === "ladder" ? HEAD * zoom : 0), bottom: top + pane.clientHeight,
  };
}

// How far a box is from a frame, one way and the other; 0 is in sight.
function away(box, frame, before, after) {
  const enough = Math.min(ENOUGH, box[after] - box[before]);
  return Math.max(0, frame[before] + enough - box[after], box[before] + enough - frame[after]);
}

let strayed = null;  // a pane that is not as far down as the other

// Of what lights up, a datagram must be in sight, or a box: if none is, the nearest. To the side a pane just moves; up
// and down both go together, and that with the pointer must not move, so this one goes alone.
function showSome(pane) {
  const frame = frameOf(pane);
  const datagrams = pane.querySelectorAll(".datagram.lit");
  const [nearest] = [...(datagrams.length ? datagrams : pane.querySelectorAll("[data-entry].lit"))].map(thing => {
    const box = thing.getBoundingClientRect();
    return { box, down: away(box, frame, "top", "bottom"), across: away(box, frame, "left", "right") };
  }).sort((one, other) => one.down - other.down || one.across - other.across);
  if (!nearest) return;
  const { box, down, across } = nearest;
  if (across) pane.scrollLeft += middle(box, frame, "left", "right");
  if (down) {
    pane.scrollTop += middle(box, frame, "top", "bottom");
    followed.set(pane, pane.scrollTop);
    strayed = pane;
  }
}

// From there its middle is in that of the frame; or, of what is larger, its beginning at the frame's.
function middle(box, frame, before, after) {
  const slack = frame[after] - frame[before] - (box[after] - box[before]);
  return box[before] - frame[before] - Math.max(0, slack / 2);
}

const at = event => event.target.closest?.("[data-entry]") ?? null;

main.addEventListener("pointerover", event => {
  if (!pinned && at(event) !== picked) pick(at(event));
});
main.addEventListener("pointerleave", () => {
  if (!pinned) pick(null);
  showMoment(null);
});
main.addEventListener("click", event => {
  if (!dragged) pin(at(event) === pinned ? null : at(event));
});
main.addEventListener("focusin", event => {
  if (at(event) && event.target.matches(":focus-visible")) pin(at(event));
});

// A line across both pictures, at the height of the pointer.
let moments = [];

function makeMoment(picture) {
  const line = picture.querySelector(":scope > .moment") ?? document.createElementNS(SVG, "line");
  line.setAttribute("class", "moment");
  line.setAttribute("x2", "100%");
  line.setAttribute("visibility", "hidden");
  picture.append(line);
  return line;
}

function showMoment(event) {
  const picture = event?.target.closest?.("svg");
  for (const line of moments) {
    line.setAttribute("visibility", picture ? "visible" : "hidden");
    if (!picture) continue;
    const y = (event.clientY - picture.getBoundingClientRect().top) / zoom;
    line.setAttribute("y1", y);
    line.setAttribute("y2", y);
  }
}
main.addEventListener("pointermove", showMoment);

// -- zooming and moving about -----------------------------------------------------------------------------------------

let zoom = 1;

// What is at this point of a pane stays there.
function setZoom(factor, pane = isAlone ? panes[1] : panes[0], x = pane.clientWidth / 2, y = pane.clientHeight / 2) {
  const before = zoom;
  zoom = Math.min(8, Math.max(1 / 8, factor));
  const left = (pane.scrollLeft + x) * zoom / before - x, top = (pane.scrollTop + y) * zoom / before - y;
  for (const picture of pictures) {
    picture.style.width = `${picture.viewBox.baseVal.width * zoom}px`;
    picture.style.height = `${picture.viewBox.baseVal.height * zoom}px`;
  }
  pane.scrollTo(left, top);
  follow(pane);
  document.getElementById("zoom").value = `${Math.round(zoom * 100)} %`;
}

function wheel(event) {
  if (!event.ctrlKey && !event.metaKey) return;  // it scrolls, as everywhere
  event.preventDefault();
  const frame = event.currentTarget.getBoundingClientRect();
  const factor = zoom * Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) / 400);
  setZoom(factor, event.currentTarget, event.clientX - frame.left, event.clientY - frame.top);
}

const followed = new Map();  // how far a pane was moved because another was

// One cannot go as far down as the other if it alone has a scroll bar below; it must not pull that back up.
function follow(pane) {
  if (followed.get(pane) !== pane.scrollTop) align(pane);
  followed.delete(pane);
  keepNames();
}

// The other goes where this one is.
function align(pane) {
  strayed = null;
  for (const other of panes) {
    if (other === pane) continue;
    const before = other.scrollTop;
    other.scrollTop = pane.scrollTop;
    if (other.scrollTop !== before) followed.set(other, other.scrollTop);
  }
}

let dragged = false;  // so that letting go is no click

function drag(event) {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  const pane = event.currentTarget, frame = pane.getBoundingClientRect();
  const onScrollBar = event.clientX - frame.left > pane.clientWidth + 1 || event.clientY - frame.top > pane.clientHeight;
  if (onScrollBar) return;
  const from = { x: event.clientX, y: event.clientY, left: pane.scrollLeft, top: pane.scrollTop };
  dragged = false;
  const move = now => {
    if (Math.hypot(now.clientX - from.x, now.clientY - from.y) > 4) dragged = true;
    if (dragged) pane.scrollTo(from.left + from.x - now.clientX, from.top + from.y - now.clientY);
    pane.classList.toggle("held", dragged);
  };
  const stop = () => {
    pane.classList.remove("held");
    window.removeEventListener("pointermove", move);
  };
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", stop, { once: true });
}

for (const pane of panes) {
  pane.addEventListener("wheel", wheel, { passive: false });
  pane.addEventListener("pointerdown", drag);
  pane.addEventListener("scroll", () => follow(pane));
}

// -- names and times stay in sight ------------------------------------------------------------------------------------

const HEAD = 54;  // as high as the names above the lifelines
const TIMES = 77;  // as wide as the times beside them
let heads = null;
let times = [];  // of each pane
let tall = [];

// A group in front of all that is there so far, on paper.
function makeFront(picture, name, width, height) {
  const group = picture.appendChild(document.createElementNS(SVG, "g"));
  group.setAttribute("class", name);
  const paper = group.appendChild(document.createElementNS(SVG, "rect"));
  paper.setAttribute("class", "paper");
  paper.setAttribute("width", width);
  paper.setAttribute("height", height);
  return group;
}

function makeTimes(picture) {
  const made = picture.querySelector(":scope > .times");
  if (made) return made;
  const group = makeFront(picture, "times", TIMES, "100%");
  group.append(...picture.querySelectorAll(":scope > :is(.time, .tick, .silence)"));
  return group;
}

// The names of the lifelines, in front of all else.
function makeHeads(picture) {
  const made = picture.querySelector(":scope > .heads");
  if (made) return made;
  const group = makeFront(picture, "heads", "100%", HEAD);
  for (const lifeline of picture.querySelectorAll(".lifeline")) {
    for (const text of lifeline.querySelectorAll("text")) if (text.getAttribute("y") < HEAD) group.append(text);
  }
  return group;
}

// How far the name of a box can go down in it.
function measure(bar) {
  const name = bar.querySelector(":scope > text[transform]");
  if (!name) return null;
  const box = bar.querySelector(".box").getBBox();
  name.dataset.place ??= name.getAttribute("transform");
  return { name, place: name.dataset.place, top: box.y, room: box.height - name.getComputedTextLength() - 8 };
}

function keepNames() {
  const [ladderTop, top] = panes.map(pane => pane.scrollTop / zoom);
  heads.setAttribute("transform", `translate(0 ${ladderTop})`);
  panes.forEach((pane, number) => times[number].setAttribute("transform", `translate(${pane.scrollLeft / zoom} 0)`));
  for (const { name, place, top: begin, room } of tall) {
    const down = Math.min(Math.max(0, top - begin), room);
    name.setAttribute("transform", `translate(0 ${down}) ${place}`);
  }
}

// -- keys -------------------------------------------------------------------------------------------------------------

// One thing of each pane can be reached with Tab; from there the arrows go on.
function step(from, by) {
  const inside = things.filter(thing => from.closest(".pane").contains(thing));
  const next = inside[inside.indexOf(from) + by];
  if (!next) return;
  from.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
const ZOOMS = { "+": 1.25, "=": 1.25, "-": 0.8 };

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  if (event.key === "Escape") {
    pin(null);
    showLegend();
  }
  else if (event.key in ZOOMS) setZoom(zoom * ZOOMS[event.key]);
  else if (event.key === "0") setZoom(1);
  else if (event.key in STEPS && at(event)) {
    event.preventDefault();
    step(at(event), STEPS[event.key]);
  }
});

// -- what is shown ----------------------------------------------------------------------------------------------------

const clientSelect = document.getElementById("client");
const libraryButton = document.getElementById("library");
const whole = panes.map(pane => pane.querySelector("svg"));
const views = new Map([["", whole]]);  // of a client, its ladder and its timeline
for (const template of document.querySelectorAll("template[data-view]")) {
  views.set(template.dataset.view, [...template.content.children]);
  clientSelect.add(new Option(template.dataset.view));
}
const withLibrary = document.getElementById("with-library")?.content.querySelector("svg");

function show(both) {
  pin(null);
  pictures = both;
  panes.forEach((pane, number) => pane.querySelector(":scope > svg")?.replaceWith(both[number]));
  things = [...main.querySelectorAll("[data-entry]")];
  byTask = new Map();
  for (const thing of main.querySelectorAll("[data-task]")) {
    for (const task of [thing.dataset.task, ...hiddenIn(thing)]) {
      if (!byTask.has(task)) byTask.set(task, []);
      byTask.get(task).push(thing);
    }
  }
  takeTitles();
  times = pictures.map(makeTimes);
  heads = makeHeads(pictures[0]);
  moments = pictures.map(makeMoment);
  tall = [...main.querySelectorAll(".bar")].map(bar => measure(bar)).filter(one => one && one.room > 200);
  setZoom(zoom);
}

// One client alone, from its first datagram on; or all, with the library's own tasks or without.
function showChosen() {
  const client = clientSelect.value;
  const isWhole = client === "" && libraryButton.getAttribute("aria-pressed") === "true";
  show(isWhole ? [whole[0], withLibrary] : views.get(client));
  libraryButton.disabled = client !== "" || !withLibrary;
}

clientSelect.addEventListener("change", () => {
  showChosen();
  for (const pane of panes) pane.scrollTo(0, 0);
});
libraryButton.addEventListener("click", () => {
  const pressed = libraryButton.getAttribute("aria-pressed") === "true";
  libraryButton.setAttribute("aria-pressed", !pressed);
  showChosen();
});

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const themeButton = document.getElementById("theme");
const showTheme = () => themeButton.setAttribute("aria-pressed", isDark());
themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);

const LEAST_TO_READ = 8 / 9;  // the smallest words, of 9 pixels, then have 8

// Nothing is beside the window, be the panes side by side, when the ladder has two thirds at most, or not. But words
// that nobody can read would be no help: one client alone, or scrolling, is.
function fit() {
  const [ladder, tasks] = pictures.map(picture => picture.viewBox.baseVal.width);
  const areBeside = panes[1].offsetLeft > panes[0].offsetLeft;
  const width = isAlone ? tasks : areBeside ? Math.max(ladder + tasks, ladder * 1.52) : Math.max(ladder, tasks);
  setZoom(Math.min(1, Math.max(LEAST_TO_READ, (main.clientWidth - 2) / width)));
}

// The legend is open where there is room for it: there, page.css has it without a handle.
const legend = document.getElementById("legend");
const roomy = matchMedia("(min-width: 1000px) and (min-height: 640px)");
const showLegend = () => legend?.toggleAttribute("open", roomy.matches);
roomy.addEventListener("change", showLegend);

document.getElementById("fit").addEventListener("click", fit);
document.getElementById("smaller").addEventListener("click", () => setZoom(zoom / 1.25));
document.getElementById("larger").addEventListener("click", () => setZoom(zoom * 1.25));
showLegend();
showChosen();
showTheme();
