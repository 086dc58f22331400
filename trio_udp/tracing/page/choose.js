// What is chosen: by keys and buttons, and which pictures are shown for it.

// -- keys -------------------------------------------------------------------------------------------------------------

// One thing of each pane can be reached with Tab; from there the arrows go on.
function step(from, by) {
  const inside = thingsIn(from.closest(".pane"));
  const next = inside[inside.indexOf(from) + by];
  if (!next) return;
  for (const thing of inside) if (thing.tabIndex === 0) thing.setAttribute("tabindex", "-1");  // not that clicked at
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
const libraryTitle = libraryButton.title;
let wantsLibrary = false;  // with all clients
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
  cuts = [...pictures[1].querySelectorAll(":scope > .edge")].map(edge => edge.getBBox().y + 3);
  setZoom(zoom);
  showFit();
}

// One client alone, from its first datagram on; or all, with the library's own tasks or without.
function showChosen() {
  const client = clientSelect.value;
  const isWithLibrary = client === "" && wantsLibrary;
  show(isWithLibrary ? [whole[0], withLibrary] : views.get(client));
  libraryButton.setAttribute("aria-pressed", isWithLibrary);
  libraryButton.disabled = client !== "" || !withLibrary;
  libraryButton.title = client === "" ? libraryTitle : "only with all clients";
}

clientSelect.addEventListener("change", () => {
  showChosen();
  for (const pane of panes) pane.scrollTo(0, 0);
});
libraryButton.addEventListener("click", () => {
  wantsLibrary = !wantsLibrary;
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

const fitButton = document.getElementById("fit");
const fitTitle = fitButton.title;

// Nothing is beside the window, be the panes side by side or not.
function fitting() {
  const [ladder, tasks] = pictures.map(picture => picture.viewBox.baseVal.width);
  const width = isAlone ? tasks : areBeside() ? ladder + tasks : Math.max(ladder, tasks);
  return (main.clientWidth - 2) / width;
}

// But words that nobody can read would be no help: one client alone, or scrolling, is. The button says which it will be.
function showFit() {
  const fits = fitting() >= LEAST_TO_READ;
  fitButton.textContent = fits ? "fit" : "smallest";
  fitButton.title = fits ? fitTitle : "as small as can be read: all of it is wider than the window then, too";
}
window.addEventListener("resize", () => {
  if (!areBeside() !== above > 0) setZoom(zoom);
  showFit();
});

// The legend is open where there is room for it: there, page.css has it without a handle.
const legend = document.getElementById("legend");
const roomy = matchMedia("(min-width: 1000px) and (min-height: 640px)");
const showLegend = () => legend?.toggleAttribute("open", roomy.matches);
roomy.addEventListener("change", showLegend);

fitButton.addEventListener("click", () => setZoom(Math.min(1, Math.max(LEAST_TO_READ, fitting()))));
document.getElementById("smaller").addEventListener("click", () => setZoom(zoom / 1.25));
document.getElementById("larger").addEventListener("click", () => setZoom(zoom * 1.25));
showLegend();
showChosen();
showTheme();
