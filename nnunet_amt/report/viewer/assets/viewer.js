/* Joins the case list, the planes, the controls, the triage and the keys. */
"use strict";
(function () {
  const amt = window.amtViewer;
  const AXES = ["sagittal", "coronal", "axial"]; // across x, y, z

  /** What is not a right encoding, as somebody may have typed it, stands for itself. */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      return text;
    }
  }

  class Viewer {
    constructor(root, data) {
      this.root = root;
      this.data = data;
      this.find = (name) => root.querySelector(`[data-viewer="${name}"]`);
      this.current = -1;
      this.planes = null;
      this.starting = null;
      root.classList.add("amt-script");
      for (const part of root.querySelectorAll("[data-script]")) part.hidden = false;
      this.listen();
      const triageRoot = data.candidates.length ? root.querySelector(".amt-triage") : null;
      this.dial = this.find("threshold") && new amt.Dial(this.find, (threshold) => this.planes?.setThreshold(threshold));
      this.triage = triageRoot && new amt.Triage(triageRoot, data.candidates, data.key, (i) => this.showCandidate(i));
      this.markCase(0);
      this.startWhenNear();
    }

    /** Nothing is drawn before the reader comes near. */
    startWhenNear() {
      if (!(window.niivue && amt.canDecode() && amt.hasWebGL())) {
        this.withoutPlanes(window.niivue ? "This browser cannot draw the viewer (no WebGL 2)" : "The viewer is not in this page");
        return;
      }
      const watch = new IntersectionObserver(
        (entries) => {
          if (!entries.some((entry) => entry.isIntersecting)) return;
          watch.disconnect();
          if (!this.starting) this.showCase(this.current); // else a link has led here, to a place of its own
        },
        { rootMargin: "400px" },
      );
      watch.observe(this.find("frame"));
    }

    withoutPlanes(why) {
      if (this.still) return;
      this.still = true;
      this.root.classList.add("amt-still");
      for (const part of this.root.querySelectorAll("[data-moving]")) part.hidden = true;
      this.say(`${why}: every case is shown as still pictures.${this.triage ? " The triage works all the same." : ""}`);
      this.root.dataset.ready = "still";
    }

    async ready() {
      this.starting ??= (async () => {
        const planes = new amt.Planes(this.find("canvas"), this.find("overlay"), () => this.moved());
        await planes.start();
        planes.setWindow(...this.windowInputs());
        planes.setShown(this.shownInputs());
        planes.setThreshold(this.dial?.threshold ?? null);
        this.find("canvas").addEventListener("webglcontextlost", () => this.withoutPlanes("The viewer's graphics were lost"));
        this.planes = planes;
      })();
      return this.starting;
    }

    /** Show a case at a point, or where its tumour is largest. */
    async showCase(index, point) {
      this.markCase(index);
      if (this.still) return;
      const item = this.data.cases[index];
      try {
        await this.ready();
        if (this.still || !(await this.planes.show(item, point || item.focus))) return;
        this.root.dataset.shown = item.id;
        this.root.dataset.ready = "true";
      } catch (error) {
        this.withoutPlanes("The viewer could not start");
      }
    }

    markCase(index) {
      this.current = index;
      const item = this.data.cases[index];
      this.find("case").value = String(index);
      this.find("place").textContent = `${index + 1} of ${this.data.cases.length}${this.data.order}`;
      this.find("canvas").setAttribute("aria-label", `Axial, coronal and sagittal slice of ${item.id}, ${item.words}`);
      this.markStill(`[data-case="${index}"]`);
      this.dial?.take(item.dial);
    }

    markStill(which) {
      for (const strip of this.root.querySelectorAll(".amt-strip")) strip.classList.toggle("amt-current", strip.matches(which));
    }

    stepCase(by) {
      const next = this.current + by;
      if (next >= 0 && next < this.data.cases.length) this.showCase(next);
    }

    showCandidate(index) {
      const { case: number, lesion, at } = this.data.candidates[index];
      if (this.still) {
        this.markCase(number);
        this.markStill(`[data-finding="${index}"]`);
        this.find("stage").scrollIntoView({ block: "nearest" });
        return;
      }
      if (this.planes && number === this.current && this.root.dataset.shown === this.data.cases[number].id) {
        this.planes.moveTo(at);
      } else this.showCase(number, at);
      this.find("stage").scrollIntoView({ block: "nearest" });
      this.say(`${this.data.cases[number].id}: the crosshair is on predicted lesion ${lesion}.`);
    }

    moved() {
      if (!this.planes) return;
      AXES.forEach((name, axis) => {
        const slider = this.find(name), count = this.planes.size[axis], slice = this.planes.sliceOf(axis) + 1;
        slider.max = String(count);
        slider.value = String(slice);
        slider.setAttribute("aria-valuetext", `slice ${slice} of ${count}`);
        this.find(`${name}-words`).textContent = `${slice} of ${count}`;
      });
    }

    windowInputs() {
      return ["level", "width"].map((name) => Number(this.find(name).value));
    }

    setWindow(level, width) {
      this.find("level").value = String(level);
      this.find("width").value = String(width);
      this.find("level-words").textContent = `${level} HU`;
      this.find("width-words").textContent = `${width} HU`;
      for (const button of this.root.querySelectorAll("[data-window]")) {
        button.setAttribute("aria-pressed", String(button.dataset.window === `${level} ${width}`));
      }
      this.planes?.setWindow(level, width);
    }

    shownInputs() {
      const shown = { fill: Number(this.find("fill").value) / 100 };
      for (const name of ["prediction", "reference", "outlines"]) shown[name] = Boolean(this.find(name)?.checked);
      this.find("fill-words").textContent = `${this.find("fill").value}%`;
      return shown;
    }

    toggle(name) {
      const box = this.find(name);
      if (!box) return;
      box.checked = !box.checked;
      this.planes?.setShown(this.shownInputs());
    }

    listen() {
      this.find("case").addEventListener("change", (event) => this.showCase(Number(event.target.value)));
      this.find("previous").addEventListener("click", () => this.stepCase(-1));
      this.find("next").addEventListener("click", () => this.stepCase(1));
      AXES.forEach((name, axis) => {
        this.find(name).addEventListener("input", (event) => this.planes?.toSlice(axis, Number(event.target.value) - 1));
      });
      for (const name of ["level", "width"]) this.find(name).addEventListener("input", () => this.setWindow(...this.windowInputs()));
      for (const button of this.root.querySelectorAll("[data-window]")) {
        button.addEventListener("click", () => this.setWindow(...button.dataset.window.split(" ").map(Number)));
      }
      for (const name of ["prediction", "reference", "outlines", "fill"]) {
        this.find(name)?.addEventListener("input", () => this.planes?.setShown(this.shownInputs()));
      }
      this.root.addEventListener("keydown", (event) => this.key(event), true);
      this.root.addEventListener("keyup", (event) => event.target === this.find("canvas") && event.stopPropagation(), true);
      this.find("frame").addEventListener("dblclick", (event) => event.stopPropagation(), true); // NiiVue would reset the window
      this.find("frame").addEventListener("wheel", (event) => this.wheel(event), { capture: true, passive: true });
      window.addEventListener("hashchange", () => this.followLink());
      document.addEventListener("click", (event) => {
        const link = event.target.closest('a[href^="#view-"]');
        if (link && link.hash === window.location.hash) this.followLink(); // no change of the address tells of it
      });
      this.followLink();
    }

    /** NiiVue would keep the page from scrolling past it. */
    wheel(event) {
      if (document.activeElement !== this.find("canvas")) event.stopPropagation();
    }

    /** Links of the forms #view-CASE and #view-CASE@X,Y,Z (shares of the crop) come from the page's tables. */
    followLink() {
      const [, name, place] = /^#view-(.*?)(?:@(\d*\.?\d+(?:,\d*\.?\d+){2}))?$/.exec(window.location.hash) ?? [];
      if (name === undefined) return;
      const id = decoded(name);
      const index = this.data.cases.findIndex((item) => item.id === id);
      if (index < 0) return;
      this.root.scrollIntoView();
      setTimeout(() => this.showCase(index, place?.split(",").map(Number)));
    }

    key(event) {
      const typing = event.target.matches('input[type="text"], textarea, select');
      if (typing && event.target.dataset.triage === "note" && ["Escape", "Enter"].includes(event.key)) {
        this.triage.leaveNote();
        event.preventDefault();
        return;
      }
      const onCanvas = event.target === this.find("canvas");
      const act = typing || event.ctrlKey || event.metaKey || event.altKey ? null : this.actionOf(event, onCanvas);
      if (act) {
        act();
        event.preventDefault();
      }
      if (onCanvas && event.key !== "Tab") event.stopPropagation(); // NiiVue has keys of its own, which would surprise
    }

    actionOf(event, onCanvas) {
      const inTriage = Boolean(this.triage) && Boolean(event.target.closest(".amt-triage"));
      const slice = (axis, by) => () => this.planes?.toSlice(axis, this.planes.sliceOf(axis) + by);
      const windowOf = (number) => () => this.root.querySelectorAll("[data-window]")[number].click();
      const actions = {
        "[": () => this.stepCase(-1),
        "]": () => this.stepCase(1),
        ",": slice(2, -1),
        ".": slice(2, 1),
        1: windowOf(0),
        2: windowOf(1),
        3: windowOf(2),
        o: () => this.toggle("outlines"),
        p: () => this.toggle("prediction"),
        r: () => this.toggle("reference"),
        t: () => this.dial?.toggle(),
      };
      if (onCanvas) Object.assign(actions, { ArrowUp: slice(2, 1), ArrowDown: slice(2, -1) });
      if (this.triage) {
        Object.assign(actions, {
          a: () => this.triage.decide("accept"),
          d: () => this.triage.decide("dismiss"),
          u: () => this.triage.decide("undecided"),
          n: () => this.triage.focusNote(),
          j: () => this.triage.step(1),
          k: () => this.triage.step(-1),
        });
        if (inTriage) Object.assign(actions, { ArrowDown: actions.j, ArrowUp: actions.k });
      }
      return actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    }

    say(text) {
      this.find("said").textContent = text;
    }
  }

  const root = document.getElementById("amt-viewer");
  if (root) window.amtViewer.viewer = new Viewer(root, JSON.parse(document.getElementById("amt-viewer-cases").textContent));
})();
