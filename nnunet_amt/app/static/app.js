"use strict";
// What the pages do beyond plain HTML: live updates of a job, buttons that copy. Without this script all else works.

// A page that is loaded anew because something has ended gives the focus back to the field that had it.
const FOCUSED = "focused";

function loadAnew() {
  sessionStorage.setItem(FOCUSED, document.activeElement?.id ?? "");
  location.reload();
}

document.getElementById(sessionStorage.getItem(FOCUSED) ?? "")?.focus({ preventScroll: true });
sessionStorage.removeItem(FOCUSED);

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
        loadAnew();
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
// puts a field in its place, whose form is sent to ADDRESS; Escape puts the text back. The answer brings the rows that have
// changed, the table's new digest, and other parts of the page by their ids; [data-heard] reads out that of the answer.
// Without this script the row's link opens a form of the whole row.
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
    event.preventDefault();
    if (field.value === text) back(); else sendCell(table, form);
  });
  cell.classList.add("changing");
  cell.replaceChildren(form, ...problems);
  form.scrollIntoView({ block: "nearest", inline: "nearest" });
  field.focus({ preventScroll: true });
  field.select();
}

let sending = Promise.resolve(); // one change after the other: the second is of the table after the first

function sendCell(table, form) {
  form.querySelector("button").disabled = true;
  sending = sending.then(async () => {
    const data = new URLSearchParams(new FormData(form));
    data.set("answer", "rows");
    try {
      const answer = await fetch(form.action, { method: "POST", body: data });
      if (answer.status === 205) { // more has changed than rows
        history.replaceState(null, "", answer.headers.get("location"));
        return location.reload();
      }
      if (answer.ok) return putRows(table, new DOMParser().parseFromString(await answer.text(), "text/html"), form);
    } catch { /* the browser says what is wrong */ }
    return form.submit();
  });
}

function putRows(table, page, form) {
  const { digest } = page.querySelector("[data-digest]").dataset;
  const line = form.elements.line.value;
  table.dataset.digest = digest;
  for (const field of document.querySelectorAll("input[name=digest]")) field.value = digest;
  for (const fresh of page.querySelectorAll("[id]")) {
    const old = document.getElementById(fresh.id);
    if (!old || !fresh.isConnected) continue;
    const typed = [...old.querySelectorAll("td form")].filter((other) => other !== form);
    if (old.querySelector("details")?.open === false) fresh.querySelector("details")?.removeAttribute("open");
    else if (old.querySelector("details")) fresh.querySelector("details")?.setAttribute("open", "");
    old.replaceWith(fresh);
    for (const other of typed) { // a cell of the same row that is being changed already
      const cell = fresh.cells[other.closest("td").cellIndex];
      editCell(table, cell);
      cell.querySelector("form input:not([type=hidden])").value = other.querySelector("input:not([type=hidden])").value;
    }
  }
  const heard = document.querySelector("[data-heard]");
  if (heard) heard.textContent = page.querySelector("[data-heard]").textContent;
  if (document.activeElement?.closest(".cell-form")) return; // somebody types into another cell
  const frame = table.parentNode;
  const at = [frame.scrollLeft, frame.scrollTop, scrollX, scrollY];
  location.replace(`#line-${line}`); // marks the row
  document.querySelector(`#line-${line} a`)?.focus({ preventScroll: true });
  [frame.scrollLeft, frame.scrollTop] = at;
  scrollTo(at[2], at[3]);
}

for (const table of document.querySelectorAll("table[data-cells]")) {
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td[data-column]");
    if (cell && !cell.querySelector("form") && !String(getSelection())) editCell(table, cell);
  });
}

// <div data-board-part> with <form data-board>: a form [data-swap] in it is sent without leaving the page, and the part of
// the answer takes the place of the part here; what stands in [data-said] and [data-verdict] of it is read out by the live
// region [data-heard]. Columns [data-place] keep how far they are scrolled, cards that were not moved keep their marks, and the
// focus goes where the card is that was moved. Cards are found while one types, and dragged from column to column.
{
  const lists = (part) => part.querySelectorAll("[data-place] > ul");
  const marks = (part) => part.querySelectorAll(".institution input[name=line]");
  const searchedByServer = () => Boolean(new URLSearchParams(location.search).get("find"));

  function swap(part, page, { line, keepMarks }) {
    const fresh = page.querySelector("[data-board-part]");
    if (!fresh) return false;
    const scrolled = new Map([...lists(part)].map((list) => [list.parentNode.dataset.place, list.scrollTop]));
    const marked = new Set([...marks(part)].filter((box) => box.checked).map((box) => box.closest(".institution").dataset.names));
    const found = part.querySelector("form[data-find]")?.elements.find.value ?? "";
    const next = document.importNode(fresh, true);
    part.replaceWith(next);
    for (const box of keepMarks ? marks(next) : []) {
      const card = box.closest(".institution");
      box.checked = marked.has(card.dataset.names) && card.dataset.line !== line;
    }
    prepare(next, found);
    for (const list of lists(next)) list.scrollTop = scrolled.get(list.parentNode.dataset.place) ?? 0;
    const card = line && next.querySelector(`[data-line="${line}"]`);
    const target = card || next.querySelector("[data-said]");
    if (target) {
      target.tabIndex = -1;
      target.focus({ preventScroll: !card });
      if (card) card.scrollIntoView({ block: "nearest" });
    }
    const heard = document.querySelector("[data-heard]");
    const words = ["[data-said]", "[data-verdict]"].map((name) => next.querySelector(name)?.textContent ?? "");
    if (heard) heard.textContent = words.join(" ").trim();
    return true;
  }

  async function send(form, data) {
    const part = form.closest("[data-board-part]");
    if (part.getAttribute("aria-busy")) return; // one change after the other: the second is of the table after the first
    part.setAttribute("aria-busy", "true");
    if (!searchedByServer()) data.delete("find"); // the cards that are hidden here are wanted again
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(data) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const line = new URL(answer.url).searchParams.get("line");
      if (!swap(part, page, { line, keepMarks: data.has("move") })) location.reload();
    } catch {
      location.reload(); // the browser says what is wrong
    }
  }

  function prepareMarks(part) {
    const words = part.querySelector("[data-marked]");
    const count = () => {
      const marked = [...marks(part)].filter((box) => box.checked).length;
      if (words) words.textContent = marked ? words.dataset.marked.replace("#", marked) : "";
    };
    for (const button of part.querySelectorAll("button[data-mark]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        for (const box of button.parentNode.querySelectorAll(".institution:not([hidden]) input[name=line]")) box.checked = true;
        count();
      });
    }
    part.addEventListener("change", count);
    count();
  }

  function prepareSearch(part, board, found) {
    const search = part.querySelector("form[data-find]");
    if (searchedByServer()) return; // it has left the other cards out, and searches on
    const field = search.elements.find;
    const find = () => {
      const wanted = field.value.trim().toLocaleLowerCase();
      board.elements.find.value = field.value;
      for (const card of part.querySelectorAll(".institution")) {
        card.hidden = !card.dataset.names.toLocaleLowerCase().includes(wanted);
      }
    };
    field.value = found;
    find();
    field.addEventListener("input", find);
    search.addEventListener("submit", (event) => event.preventDefault());
    search.querySelector("button").hidden = true;
  }

  function prepareDragging(part, board) {
    let dragged = null;
    for (const card of part.querySelectorAll(".institution[draggable=true]")) {
      card.addEventListener("dragstart", (event) => {
        dragged = card;
        event.dataTransfer.effectAllowed = "move";
        event.dataTransfer.setData("text/plain", card.dataset.line);
      });
      card.addEventListener("dragend", () => { dragged = null; });
    }
    for (const column of part.querySelectorAll("[data-place]")) {
      const over = (event) => {
        if (!dragged || column.contains(dragged)) return;
        event.preventDefault();
        column.classList.add("over");
      };
      column.addEventListener("dragenter", over);
      column.addEventListener("dragover", over);
      column.addEventListener("dragleave", (event) => {
        if (!column.contains(event.relatedTarget)) column.classList.remove("over");
      });
      column.addEventListener("drop", (event) => {
        column.classList.remove("over");
        if (!dragged) return;
        event.preventDefault();
        const data = new FormData(board);
        data.append("move", `${column.dataset.place} ${dragged.dataset.line}`);
        send(board, data);
      });
    }
  }

  function prepare(part, found = "") {
    for (const form of part.querySelectorAll("form[data-swap]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const data = new FormData(form);
        if (event.submitter?.name) data.append(event.submitter.name, event.submitter.value);
        send(form, data);
      });
    }
    const board = part.querySelector("form[data-board]");
    if (!board) return;
    prepareMarks(part);
    prepareSearch(part, board, found);
    prepareDragging(part, board);
  }

  for (const part of document.querySelectorAll("[data-board-part]")) prepare(part);
}

// <section data-dial="ADDRESS">: its slider shows the picture ADDRESS/STEP.png, and puts the cells of the table's row
// [data-dial-step=STEP] into [data-dial-cell=NUMBER]. The page's address and its other forms keep the step, which outlives
// another case and the page's being loaded anew. Without this script what is [data-without-script] leads from step to step.
for (const dial of document.querySelectorAll("[data-dial]")) {
  const slider = dial.querySelector("input[type=range]");
  const picture = dial.querySelector("img");
  const show = () => {
    const cells = dial.querySelector(`[data-dial-step="${slider.value}"]`).cells;
    for (const shown of dial.querySelectorAll("[data-dial-cell]")) {
      shown.textContent = cells[shown.dataset.dialCell].textContent;
    }
    slider.setAttribute("aria-valuetext", cells[0].textContent);
    picture.src = `${dial.dataset.dial}/${slider.value}.png`;
  };
  const keep = () => {
    for (const field of document.querySelectorAll(`input[name="${slider.name}"]`)) field.value = slider.value;
    history.replaceState(null, "", `?${new URLSearchParams(new FormData(slider.form))}`);
  };
  for (const other of dial.querySelectorAll("[data-without-script]")) other.hidden = true;
  slider.addEventListener("input", show);
  slider.addEventListener("change", keep); // where it is let go: browsers refuse hundreds of addresses
  if (slider.value !== slider.defaultValue) { // it was moved before this script was there
    show();
    keep();
  }
}

// <form data-keeps="Kept" data-not-kept="Not kept">: every change is sent at once, and [data-kept] says so;
// [data-when-kept] is shown from then on, [data-until-kept] no longer.
for (const form of document.querySelectorAll("form[data-keeps]")) {
  const says = form.querySelector("[data-kept]");
  form.addEventListener("change", async () => {
    let kept = false;
    try {
      kept = (await fetch(form.action, { method: "POST", body: new FormData(form) })).ok;
    } catch { /* the server is gone */ }
    says.textContent = kept ? form.dataset.keeps : form.dataset.notKept;
    if (!kept) return;
    for (const part of document.querySelectorAll("[data-when-kept]")) part.hidden = false;
    for (const part of document.querySelectorAll("[data-until-kept]")) part.hidden = true;
  });
}

// <div data-fragment="ADDRESS" data-seconds="3">: its content is fetched anew while somebody looks; what is open, focused
// and chosen in it stays. Where [data-reload] comes in, the page is loaded anew.
// <div data-frames> in it: a slider chooses which of its figures is seen; without this script all of them are.
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
      if (part.querySelector("[data-reload]")) loadAnew();
      shown = text;
    } catch { /* the server is away for a while */ }
  }, 1000 * Number(part.dataset.seconds));
}
playFrames(document);

// What a sent form complains of may stand far down the page: go there.
const complaint = document.querySelector('[data-sent] [aria-invalid="true"], [data-sent] [role="alert"]');
if (complaint) complaint.scrollIntoView({ block: "center" });
