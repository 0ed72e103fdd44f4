/* The list of candidate false positives: buttons, keys, notes, and the way out as a file. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const MARKS = { accept: "✓ accepted", dismiss: "✗ dismissed", undecided: "– undecided" };

  amt.Triage = class {
    /** `show(index)` puts a candidate before the reader. */
    constructor(root, candidates, key, show) {
      this.root = root;
      this.candidates = candidates;
      this.store = new amt.Store(candidates, key);
      this.show = show;
      this.current = -1;
      this.find = (name) => root.querySelector(`[data-triage="${name}"]`);
      this.lines = [...root.querySelectorAll("tr[data-candidate]")];
      this.listen();
      this.lines.forEach((_, index) => this.paint(index));
      this.paintCounts();
      for (const part of root.querySelectorAll("[data-script]")) part.hidden = false;
    }

    listen() {
      const on = (name, event, act) => this.find(name).addEventListener(event, act);
      on("start", "click", () => this.step(1));
      for (const decision of ["accept", "dismiss", "undecided"]) on(decision, "click", () => this.decide(decision));
      on("next", "click", () => this.step(1));
      on("previous", "click", () => this.step(-1));
      on("note", "input", () => this.write());
      on("export", "click", () => this.saveFile());
      on("import", "change", (event) => this.readFile(event.target));
      on("clear", "click", () => this.clear());
      for (const line of this.lines) {
        const index = Number(line.dataset.candidate);
        line.querySelector("button").addEventListener("click", () => this.choose(index));
      }
      window.addEventListener("beforeunload", (event) => {
        if (this.store.unsaved) event.preventDefault();
      });
    }

    /** Make a candidate the current one and show it. */
    choose(index) {
      const before = this.lines[this.current];
      this.current = index;
      before?.removeAttribute("aria-current");
      const line = this.lines[index];
      line.setAttribute("aria-current", "true");
      this.scrollTo(line);
      const { case_id, lesion } = this.candidates[index];
      this.find("verdict").hidden = false;
      this.find("which").textContent = `${case_id}, lesion ${lesion} (${index + 1} of ${this.candidates.length})`;
      this.find("note").value = this.store.rows[index].note;
      this.paint(index);
      this.show(index);
    }

    /** Move within the list only: the page is moved to the pictures. */
    scrollTo(line) {
      const list = this.root.querySelector(".amt-list");
      const above = line.offsetTop - list.scrollTop, below = above + line.offsetHeight - list.clientHeight;
      if (above < 0) list.scrollTop += above;
      else if (below > 0) list.scrollTop += below;
      if (list.contains(document.activeElement)) line.querySelector("button").focus({ preventScroll: true });
    }

    step(by) {
      if (!this.candidates.length) return;
      const next = this.current < 0 ? 0 : this.current + by;
      if (next >= 0 && next < this.candidates.length) this.choose(next);
      else this.say(by > 0 ? "This is the last finding." : "This is the first finding.");
    }

    decide(decision) {
      if (this.current < 0) return this.say("Choose a finding first: J or the arrow down.");
      this.store.set(this.current, { decision });
      this.paint(this.current);
      this.paintCounts();
      const { case_id, lesion } = this.candidates[this.current];
      return this.say(`${case_id}, lesion ${lesion}: ${MARKS[decision].slice(2)}. ${this.progress()}`);
    }

    write() {
      this.store.set(this.current, { note: this.find("note").value });
      this.paint(this.current);
    }

    focusNote() {
      if (this.current < 0) this.step(1);
      this.find("note").focus();
    }

    leaveNote() {
      this.lines[this.current]?.querySelector("button").focus();
    }

    saveFile() {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([amt.toCsv(this.store.rows)], { type: "text/csv" }));
      link.download = "decisions.csv";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      this.store.exported();
      this.say(`decisions.csv is saved with your downloads. ${this.progress()}`);
    }

    async readFile(input) {
      if (!input.files.length) return;
      try {
        const { taken, left } = this.store.take(amt.fromCsv(await input.files[0].text()));
        const others = left ? `; ${left} rows are not of this page and were left out` : "";
        this.say(`${taken} decisions read${others}. ${this.progress()}`);
      } catch (error) {
        this.say(`Nothing was read: ${error.message}.`);
      }
      input.value = "";
      this.repaint();
    }

    clear() {
      if (!window.confirm("Forget all decisions and notes on this page?")) return;
      this.store.clear();
      this.repaint();
      this.say("All decisions and notes are forgotten.");
    }

    repaint() {
      this.lines.forEach((_, index) => this.paint(index));
      this.paintCounts();
      if (this.current >= 0) this.find("note").value = this.store.rows[this.current].note;
    }

    paint(index) {
      const { decision, note } = this.store.rows[index];
      const line = this.lines[index];
      line.dataset.decision = decision;
      line.querySelector('[data-cell="decision"]').textContent = MARKS[decision];
      line.querySelector('[data-cell="note"]').textContent = note;
      if (index !== this.current) return;
      for (const name of Object.keys(MARKS)) this.find(name).setAttribute("aria-pressed", String(name === decision));
    }

    paintCounts() {
      this.find("counts").textContent = this.progress();
      this.find("kept").textContent = this.store.keeps
        ? "Decisions are kept in this browser until you forget them here."
        : "This browser keeps nothing for this page: save the decisions as a file before you close it.";
    }

    progress() {
      const [accepted, dismissed] = ["accept", "dismiss"].map((decision) => this.store.count(decision));
      return `${accepted + dismissed} of ${this.candidates.length} decided: ${accepted} accepted, ${dismissed} dismissed.`;
    }

    say(text) {
      this.find("said").textContent = text;
    }
  };
})();
