/* Decisions as CSV, as nnunet_amt evaluate --triage reads it and a spreadsheet opens it. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const COLUMNS = ["case_id", "lesion", "voxels", "decision", "note"];
  // as in base/csv_cells.py: a spreadsheet would run a cell that begins so; the guard is an apostrophe
  const FORMULA = new RegExp(
    "^(?:[\\t\\r\\n]|[ \\x00-\\x1f\\x7f\\x85\\u00a0\\u1680\\u2000-\\u200f\\u2028\\u2029\\u202f\\u205f\\u2060\\u3000\\ufeff]*" +
      "[=+\\-@\\uff1d\\uff0b\\uff0d\\uff20\\ufe62\\ufe63\\ufe66\\ufe6b\\u2212])",
  );
  const NEGATIVE_NUMBER = /^-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
  const beginsFormula = (text) => {
    const inside = text.replace(/^'+/, "");
    return FORMULA.test(inside) && !NEGATIVE_NUMBER.test(inside);
  };

  amt.guarded = (text) => (beginsFormula(text) ? `'${text}` : text);
  amt.unguarded = (text) => (text.startsWith("'") && beginsFormula(text) ? text.slice(1) : text);

  const cell = (value) => (/[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

  amt.toCsv = function (rows) {
    const lines = rows.map((row) => COLUMNS.map((name) => amt.guarded(String(row[name]))));
    return [COLUMNS, ...lines].map((cells) => cells.map(cell).join(",") + "\r\n").join("");
  };

  /** Rows as objects by column; throws an Error with one line for the reader. */
  amt.fromCsv = function (text) {
    const [columns, ...rows] = cellsOf(text.replace(/^\ufeff/, ""));
    const missing = COLUMNS.slice(0, 4).find((name) => !(columns || []).includes(name));
    if (missing) throw new Error(`the file has no column ${missing}; choose one that this page exported`);
    return rows.map((cells, i) => {
      if (cells.length !== columns.length) throw new Error(`row ${i + 2} of the file has ${cells.length} cells`);
      return { note: "", ...Object.fromEntries(columns.map((name, at) => [name, amt.unguarded(cells[at])])) };
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
