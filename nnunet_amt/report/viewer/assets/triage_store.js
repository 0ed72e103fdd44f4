/* The decisions: in memory, and in the browser's storage where it has one for this page. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const DECISIONS = ["accept", "dismiss", "undecided"];

  amt.Store = class {
    constructor(candidates, key) {
      this.candidates = candidates; // each {case_id, lesion, voxels, decision}
      this.key = `nnunet_amt.triage.${key}`;
      this.rows = candidates.map(({ case_id, lesion, voxels, decision }) => ({ case_id, lesion, voxels, decision, note: "" }));
      this.unsaved = false; // changed since the last export, and kept nowhere
      this.keeps = this.load();
    }

    set(index, changes) {
      Object.assign(this.rows[index], changes);
      this.save();
    }

    count(decision) {
      return this.rows.filter((row) => row.decision === decision).length;
    }

    exported() {
      this.unsaved = false;
    }

    /** Take over rows of a file; gives how many belong to this page and how many do not. */
    take(rows) {
      const index = new Map(this.rows.map((row, i) => [`${row.case_id}/${row.lesion}/${row.voxels}`, i]));
      let taken = 0;
      for (const row of rows) {
        const at = index.get(`${row.case_id}/${Number(row.lesion)}/${Number(row.voxels)}`);
        if (at === undefined || !DECISIONS.includes(row.decision)) continue;
        Object.assign(this.rows[at], { decision: row.decision, note: row.note });
        taken++;
      }
      this.save();
      return { taken, left: rows.length - taken };
    }

    clear() {
      for (const row of this.rows) Object.assign(row, { decision: "undecided", note: "" });
      this.save();
    }

    load() {
      try {
        const kept = JSON.parse(window.localStorage.getItem(this.key) || "[]");
        for (const [i, decision, note] of kept) {
          if (this.rows[i] && DECISIONS.includes(decision)) Object.assign(this.rows[i], { decision, note: String(note) });
        }
        return true;
      } catch {
        return false; // a page from a file may have no storage
      }
    }

    save() {
      const kept = this.rows.map((row, i) => [i, row.decision, row.note]);
      try {
        window.localStorage.setItem(this.key, JSON.stringify(kept));
        this.keeps = true;
      } catch {
        this.keeps = false;
      }
      this.unsaved = !this.keeps;
    }
  };
})();
