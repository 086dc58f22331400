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

// What one comes to first, and then, with keys: boxes as they are inside each other, but a ladder by time, of which its
// arrows, brackets and handlers are drawn one kind after the other.
function thingsIn(pane) {
  const inside = things.filter(thing => pane.contains(thing));
  return pane.id === "ladder" ? inside.sort((one, other) => one.dataset.entry - other.dataset.entry) : inside;
}

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
  for (const pane of panes) thingsIn(pane)[0]?.setAttribute("tabindex", "0");
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
  told.firstChild.classList.toggle("tapped", pinned === thing && isTapped);
}

// -- pointing ---------------------------------------------------------------------------------------------------------

let picked = null;  // what is shown
let pinned = null;  // what stays shown: it was clicked, or chosen with the keyboard
let isTapped = false;  // with a finger, which has no Escape

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
    requestAnimationFrame(() => {  // when the pane of a thing that was reached by a key has moved
      if (picked !== thing) return;
      if (pinned === thing) keepInSight(thing);
      showSome(thing, panes.find(pane => !pane.contains(thing)));
    });
  }
  tell(thing);
}

function pin(thing) {
  pinned = thing;
  if (!thing) document.activeElement.closest("[data-entry]")?.blur();
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

// Of what lights up in the other pane, a datagram must be in sight, or a box: if none is, the nearest. To the side that
// pane just moves. Up and down both go together, so that they show the same moment, and the one with the pointer in it
// must not move by itself: so only for what is held, and only as far as that stays in sight.
function showSome(thing, pane) {
  const frame = frameOf(pane);
  const datagrams = pane.querySelectorAll(".datagram.lit");
  const [nearest] = [...(datagrams.length ? datagrams : pane.querySelectorAll("[data-entry].lit"))].map(thing => {
    const box = thing.getBoundingClientRect();
    return { box, down: away(box, frame, "top", "bottom"), across: away(box, frame, "left", "right") };
  }).sort((one, other) => one.down - other.down || one.across - other.across);
  if (!nearest) return;
  const { box, down, across } = nearest;
  if (across) pane.scrollLeft += middle(box, frame, "left", "right");
  if (down && pinned === thing) moveBoth(thing, pane, middle(box, frame, "top", "bottom"));
}

// What is told of it takes room, in a small window, and may have hidden it.
function keepInSight(thing) {
  const pane = thing.closest(".pane");
  const down = away(thing.getBoundingClientRect(), frameOf(pane), "top", "bottom");
  if (!down) return;
  pane.scrollTop += down;
  align(pane);
  keepNames();
}

function moveBoth(thing, pane, by) {
  const box = thing.getBoundingClientRect(), frame = frameOf(thing.closest(".pane"));
  const rest = Math.min(ENOUGH, box.bottom - box.top);  // of the thing, which has to stay
  pane.scrollTop += Math.min(Math.max(by, box.top + rest - frame.bottom), box.bottom - rest - frame.top);
  align(pane);
  keepNames();
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
main.addEventListener("pointerdown", event => { isTapped = event.pointerType === "touch" });
main.addEventListener("click", event => {
  if (!dragged) pin(at(event) === pinned ? null : at(event));
});
main.addEventListener("focusin", event => {
  if (!at(event) || !event.target.matches(":focus-visible")) return;
  isTapped = false;
  pin(at(event));
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
