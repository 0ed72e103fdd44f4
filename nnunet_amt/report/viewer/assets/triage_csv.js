/* Decisions as CSV, as nnunet_amt evaluate --triage reads it and a spreadsheet opens it. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const COLUMNS = ["case_id", "lesion", "voxels", "decision", "note"];
  // a spreadsheet would run a cell that begins so; the guard is an apostrophe, and a guarded apostrophe one more
  const RISKY = /^'*[=+\-@\t\r]/;
  const GUARDED = /^'+[=+\-@\t\r]/;

  amt.guarded = (note) => (RISKY.test(note) ? `'${note}` : note);
  amt.unguarded = (note) => (GUARDED.test(note) ? note.slice(1) : note);

  const cell = (value) => (/[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  amt.toCsv = function (rows) {
    const lines = rows.map((row) => COLUMNS.map((name) => (name === "note" ? amt.guarded(row.note) : String(row[name]))));
    return [COLUMNS, ...lines].map((cells) => cells.map(cell).join(",") + "\r\n").join("");
  };

  /** Rows as objects by column; throws an Error with one line for the reader. */
  amt.fromCsv = function (text) {
    const [columns, ...rows] = cellsOf(text.replace(/^\ufeff/, ""));
    const missing = COLUMNS.slice(0, 4).find((name) => !(columns || []).includes(name));
    if (missing) throw new Error(`the file has no column ${missing}; choose one that this page exported`);
    return rows.map((cells, i) => {
      if (cells.length !== columns.length) throw new Error(`row ${i + 2} of the file has ${cells.length} cells`);
      const row = Object.fromEntries(columns.map((name, at) => [name, cells[at]]));
      return { ...row, note: amt.unguarded(row.note || "") };
    });
  };

  function cellsOf(text) {
    const rows = [];
    let row = [], value = "", quoted = false;
    const endCell = () => {
      row.push(value);
      value = "";
    };
    const endRow = () => {
      endCell();
      if (row.some((each) => each.trim())) rows.push(row);
      row = [];
    };
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') value += c;
        else if (text[i + 1] === '"') {
          value += c;
          i++;
        } else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ",") endCell();
      else if (c === "\n") endRow();
      else if (c !== "\r") value += c;
    }
    if (value || row.length) endRow();
    return rows;
  }
})();
