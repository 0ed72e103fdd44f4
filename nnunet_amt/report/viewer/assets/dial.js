/* The threshold slider: what lies at or above a probability is coloured, and its lesions are told. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});

  amt.Dial = class {
    /** `find` gives a control by its name; `changed` is called with the threshold, or null if nothing is to be coloured. */
    constructor(find, changed) {
      this.find = find;
      this.changed = changed;
      this.steps = null;
      find("threshold").addEventListener("input", () => {
        find("probability").checked = true;
        this.tell();
      });
      find("probability").addEventListener("input", () => this.tell());
    }

    /** Take up a case; its threshold stays where the reader had it. */
    take(steps) {
      this.steps = steps || null;
      for (const name of ["threshold", "probability"]) this.find(name).disabled = !steps;
      this.tell();
    }

    get threshold() {
      return this.steps && this.find("probability").checked ? this.steps[Number(this.find("threshold").value)][0] : null;
    }

    toggle() {
      const box = this.find("probability");
      if (box.disabled) return;
      box.checked = !box.checked;
      this.tell();
    }

    tell() {
      const words = this.find("counts");
      if (!this.steps) {
        words.textContent = "no probabilities were kept of this case";
      } else {
        const [threshold, lesions, volume] = this.steps[Number(this.find("threshold").value)];
        const shown = threshold.toFixed(2);
        this.find("threshold-words").textContent = shown;
        this.find("threshold").setAttribute("aria-valuetext", `probability ${shown} and above`);
        words.textContent = `${lesions} lesion${lesions === 1 ? "" : "s"}, ${volume.toFixed(1)} cm³`;
      }
      this.changed(this.threshold);
    }
  };
})();
