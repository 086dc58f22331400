// Zooming and moving about: both panes go together, and the names and the times stay in sight.

let zoom = 1;
let above = 0;  // what the timeline has not at its top where it stands below the ladder, whose names take as much there

const areBeside = () => isAlone || panes[1].offsetLeft > panes[0].offsetLeft;

// What is at this point of a pane stays there.
function setZoom(factor, pane = isAlone ? panes[1] : panes[0], x = pane.clientWidth / 2, y = pane.clientHeight / 2) {
  const before = zoom;
  zoom = Math.min(8, Math.max(1 / 8, factor));
  const left = (pane.scrollLeft + x) * zoom / before - x, top = (pane.scrollTop + y) * zoom / before - y;
  const tallest = Math.max(...pictures.map(picture => picture.viewBox.baseVal.height));
  above = areBeside() ? 0 : HEAD;
  for (const picture of pictures) {
    const { width, height } = picture.viewBox.baseVal;
    picture.style.width = `${width * zoom}px`;
    picture.style.height = `${height * zoom}px`;
    picture.style.marginBottom = `${(tallest - height) * zoom}px`;  // one can go as far down as the other
  }
  pictures[1].style.marginTop = `${-above * zoom}px`;
  divide();
  pane.scrollTo(left, top);
  follow(pane);
  document.getElementById("zoom").value = `${Math.round(zoom * 100)} %`;
}

// The ladder may have all that the timeline does not need, and, if both need more than there is, at least two thirds.
function divide() {
  const [ladder, tasks] = panes.map((pane, number) =>
    Math.ceil(pictures[number].viewBox.baseVal.width * zoom) + pane.offsetWidth - pane.clientWidth);  // a scroll bar
  main.style.setProperty("--divider", `min(${ladder}px, max(66%, 100% - ${tasks}px))`);
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

const HEAD = Number(main.dataset.head);  // as high as the names above the lifelines
const TIMES = Number(main.dataset.times);  // as wide as the times beside them
let heads = null;
let times = [];  // of each pane
let tall = [];
let cuts = [];  // how far down the timeline a silence is cut out
const CLEAR = 6;  // from there to a name

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
  const box = bar.querySelector(".box").getBBox(), length = name.getComputedTextLength() + 8;
  const place = name.dataset.place ??= name.getAttribute("transform");
  const top = Number(place.match(/translate\(\S+ ([\d.]+)/)[1]) - 4;
  return { name, place, top, length, room: box.y + box.height - top - length };
}

function keepNames() {
  const [ladderTop, top] = panes.map((pane, number) => pane.scrollTop / zoom + above * number);
  heads.setAttribute("transform", `translate(0 ${ladderTop})`);
  panes.forEach((pane, number) => times[number].setAttribute("transform", `translate(${pane.scrollLeft / zoom} 0)`));
  for (const { name, place, top: begin, length, room } of tall) {
    let down = Math.min(Math.max(0, top - begin), room);
    for (const y of down > 0 ? cuts : []) {
      if (begin + down < y + CLEAR && begin + down + length > y - CLEAR) down = y + CLEAR - begin;
    }
    name.setAttribute("transform", `translate(0 ${down > room ? 0 : down}) ${place}`);  // at its place, else
  }
}
