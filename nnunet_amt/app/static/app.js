"use strict";
// What the pages do beyond plain HTML: live updates of a job, buttons that copy. Without this script all else works.

// <section data-events="/jobs/ID/events">: an event "state" (a JSON object) puts each of its values into the element
// [data-field="NAME"]; "line" (a text) goes to the end of [data-lines]; a state with "ended": true reloads the page.
const MOST_LINES = 1000;

function showState(part, state) {
  for (const [name, value] of Object.entries(state)) {
    for (const field of part.querySelectorAll(`[data-field="${name}"]`)) {
      if (field.tagName === "PROGRESS") {
        if (value === null) field.removeAttribute("value"); else field.value = value;
      } else {
        const badge = value !== null && typeof value === "object"; // {text, state}: a word in a frame of its state
        if (badge) field.className = `state ${value.state}`;
        const text = String((badge ? value.text : value) ?? "");
        if (field.textContent !== text) field.textContent = text;
      }
    }
  }
}

function addLine(list, text) {
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
  list.append(`${text}\n`);
  while (list.childNodes.length > MOST_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function follow(part) {
  const lines = part.querySelector("[data-lines]");
  const address = new URL(part.dataset.events, location.href);
  let events = null;
  if (lines) lines.scrollTop = lines.scrollHeight;
  const open = () => {
    events = new EventSource(address);
    events.addEventListener("line", (event) => {
      address.searchParams.set("after", event.lastEventId);
      if (lines) addLine(lines, event.data);
    });
    events.addEventListener("state", (event) => {
      const state = JSON.parse(event.data);
      showState(part, state);
      if (state.ended) {
        events.close();
        location.reload();
      }
    });
  };
  // A browser has six connections to a server: tabs that nobody looks at hold none.
  document.addEventListener("visibilitychange", () => {
    events?.close();
    if (!document.hidden) open();
  });
  open();
}

for (const part of document.querySelectorAll("[data-events]")) follow(part);

// <button data-copy="ID" data-copied="Copied" hidden>: copies the text of the element ID.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  const says = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = button.dataset.copied || says;
    setTimeout(() => { button.textContent = says; }, 2000);
  });
}

// <table data-cells="ADDRESS" data-digest data-save data-cancel>: a click on a cell [data-column] of a row [data-line]
// puts a field in its place, whose form is sent to ADDRESS; Escape puts the text back. Without this script the row's
// link opens a form of the whole row.
function hiddenField(name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  return field;
}

function editCell(table, cell) {
  const shown = [...cell.childNodes];
  const problems = shown.filter((node) => node.nodeType !== Node.TEXT_NODE);
  const text = shown.filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("").trim();
  const form = document.createElement("form");
  Object.assign(form, { method: "post", action: table.dataset.cells, className: "cell-form" });
  const field = document.createElement("input");
  const heading = table.tHead.rows[0].cells[cell.cellIndex].textContent;
  Object.assign(field, { name: `cell-${cell.dataset.column}`, value: text, maxLength: 2000, autocomplete: "off" });
  field.setAttribute("aria-label", heading);
  const save = document.createElement("button");
  save.textContent = table.dataset.save;
  form.append(hiddenField("digest", table.dataset.digest), hiddenField("line", cell.parentNode.dataset.line), field, save);
  const back = () => {
    cell.replaceChildren(...shown);
    cell.classList.remove("changing");
  };
  form.addEventListener("keydown", (event) => { if (event.key === "Escape") back(); });
  form.addEventListener("submit", (event) => {
    if (field.value !== text) return;
    event.preventDefault();
    back();
  });
  cell.classList.add("changing");
  cell.replaceChildren(form, ...problems);
  form.scrollIntoView({ block: "nearest", inline: "nearest" });
  field.focus({ preventScroll: true });
  field.select();
}

for (const table of document.querySelectorAll("table[data-cells]")) {
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-column]");
    if (cell && !cell.querySelector("form") && !String(getSelection())) editCell(table, cell);
  });
}

// <div data-fragment="ADDRESS" data-seconds="3">: its content is fetched anew while somebody looks; what is open, focused
// and chosen in it stays. <div data-frames> in it: a slider chooses which of its figures is seen; without this script
// all of them are.
function playFrames(part) {
  for (const frames of part.querySelectorAll("[data-frames]")) {
    const slider = frames.querySelector("input[type=range]");
    const figures = [...frames.querySelectorAll("figure")];
    const show = () => {
      figures.forEach((figure, number) => { figure.hidden = number !== Number(slider.value); });
      slider.setAttribute("aria-valuetext", figures[slider.value].querySelector("figcaption").textContent.trim());
    };
    for (const image of frames.querySelectorAll("img")) image.loading = "eager"; // the slider moves at once
    frames.classList.add("one");
    frames.querySelector("[data-slider]").hidden = figures.length < 2;
    slider.addEventListener("input", show);
    show();
  }
}

function putInto(part, text) {
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const scrolled = [...part.querySelectorAll("[tabindex]")].map((box) => box.scrollTop);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const slider = part.querySelector("[data-frames] input[type=range]");
  const chosen = slider && slider.value !== slider.max ? slider.value : null;
  part.replaceChildren(document.createRange().createContextualFragment(text));
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  part.querySelectorAll("[tabindex]").forEach((box, number) => { box.scrollTop = scrolled[number] ?? 0; });
  const moved = part.querySelector("[data-frames] input[type=range]");
  if (moved && chosen !== null) moved.value = chosen;
  playFrames(part);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

for (const part of document.querySelectorAll("[data-fragment]")) {
  let shown = null;
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(part.dataset.fragment);
      const text = answer.ok ? await answer.text() : shown;
      if (text !== shown) putInto(part, text);
      shown = text;
    } catch { /* the server is away for a while */ }
  }, 1000 * Number(part.dataset.seconds));
}
playFrames(document);
