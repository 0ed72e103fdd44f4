"use strict";
// A case with its mask: slices without loading the page again, and three planes. Without this script the form and the
// links do the same, slice by slice.

const NEIGHBOURS = [1, -1, 2, -2, 3, -3]; // slices that are fetched before they are asked for
const MOST_PICTURES = 400;

class Slices {
  constructor(part) {
    this.part = part;
    this.form = part.querySelector("form");
    this.slider = part.querySelector("input[type=range]");
    this.frame = part.querySelector(".look-frame");
    this.words = part.querySelector("[data-slice-words]");
    this.pictures = new Map(); // by address; kept, as the server lets no browser store them
    for (const other of part.querySelectorAll("[data-without-script]")) other.hidden = true;
    const picture = this.frame.querySelector("img");
    this.pictures.set(picture.getAttribute("src"), picture);
    this.form.addEventListener("input", () => this.show());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    document.addEventListener("keydown", (event) => this.key(event));
    if (this.pictures.has(this.address(this.slice))) this.fetchNeighbours();
    else this.show(); // another slice was asked for before this script was there
  }

  get slice() {
    return Number(this.slider.value);
  }

  address(slice) {
    const [path, query] = this.part.dataset.look.split("?");
    const words = new URLSearchParams(query);
    words.set("slice", slice);
    for (const name of ["window", "masks"]) words.set(name, this.form.elements[name].value);
    return `${path}?${words}`;
  }

  picture(slice) {
    const address = this.address(slice);
    let picture = this.pictures.get(address);
    if (!picture) {
      if (this.pictures.size > MOST_PICTURES) this.pictures.clear();
      picture = new Image();
      const shown = this.frame.querySelector("img");
      for (const name of ["alt", "width", "height"]) picture.setAttribute(name, shown.getAttribute(name));
      picture.src = address;
      this.pictures.set(address, picture);
    }
    return picture;
  }

  async show() {
    const slice = this.slice;
    this.words.textContent = this.words.dataset.sliceWords.replace("#", slice);
    const picture = this.picture(slice);
    try {
      await picture.decode();
    } catch {
      return; // the server was closed; the old slice stays, and so does its number below
    }
    if (picture !== this.pictures.get(this.address(this.slice))) return; // another was asked for meanwhile
    this.frame.querySelector("img").replaceWith(picture);
    this.part.dataset.shown = String(slice);
    const words = new URLSearchParams(new FormData(this.form));
    history.replaceState(null, "", `${location.pathname}?${words}`);
    this.fetchNeighbours();
  }

  fetchNeighbours() {
    for (const by of NEIGHBOURS) {
      const slice = this.slice + by;
      if (slice >= Number(this.slider.min) && slice <= Number(this.slider.max)) this.picture(slice);
    }
  }

  step(by) {
    const before = this.slider.value;
    this.slider.value = this.slice + by;
    if (this.slider.value === before) return false;
    this.show();
    return true;
  }

  wheel(event) {
    if (event.ctrlKey || !event.deltaY) return;
    if (this.step(event.deltaY < 0 ? 1 : -1)) event.preventDefault(); // at the last slice the page scrolls on
  }

  key(event) {
    if (event.key.toLowerCase() !== "o" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input:not([type=range], [type=radio]), textarea, select")) return;
    const masks = this.form.elements.masks;
    masks.value = masks.value === "1" ? "0" : "1";
    this.show();
  }
}

for (const part of document.querySelectorAll("[data-look]")) new Slices(part);

// <div data-planes="CT" data-planes-mask="MASK" data-planes-script="NIIVUE" hidden>: a button fetches the library and
// shows three planes.
function hasWebGL() {
  try {
    const context = document.createElement("canvas").getContext("webgl2");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return Boolean(context);
  } catch {
    return false;
  }
}

function load(script) {
  return new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = script;
    element.addEventListener("load", done);
    element.addEventListener("error", failed);
    document.head.append(element);
  });
}

function limits(part) {
  const chosen = document.querySelector("[data-look] select[name=window]").value;
  const words = part.dataset.windows.split(";").map((one) => one.trim().split(" "));
  const [, level, width] = words.find(([name]) => name === chosen).map((one, place) => (place ? Number(one) : one));
  return [level - width / 2, level + width / 2];
}

async function showPlanes(part) {
  const canvas = part.querySelector("canvas");
  await load(part.dataset.planesScript);
  canvas.hidden = false;
  const nv = new window.niivue.Niivue({
    backColor: [0, 0, 0, 1], crosshairColor: [1, 1, 1, 0.6], crosshairWidth: 1, dragAndDropEnabled: false,
    isRadiologicalConvention: true, loadingText: "", logLevel: "silent", multiplanarLayout: 3, multiplanarShowRender: 0,
    sagittalNoseLeft: true,
  });
  await nv.attachToCanvas(canvas, true);
  const [low, high] = limits(part);
  await nv.loadVolumes([
    { url: part.dataset.planes, name: "ct.nii", colormap: "gray", cal_min: low, cal_max: high },
    { url: part.dataset.planesMask, name: "mask.nii", colormap: "warm", opacity: 0.4, cal_min: 0.5, cal_max: 1 },
  ]);
  document.querySelector("[data-look]").addEventListener("input", (event) => {
    if (event.target.name !== "window") return;
    [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = limits(part);
    nv.updateGLVolume();
  });
  part.dataset.ready = "true";
}

for (const part of document.querySelectorAll("[data-planes]")) {
  part.hidden = !hasWebGL();
  const button = part.querySelector("button"), said = part.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    button.hidden = true;
    said.textContent = part.dataset.planesLoading;
    try {
      await showPlanes(part);
      said.textContent = "";
    } catch {
      part.querySelector("canvas").hidden = true;
      said.textContent = part.dataset.planesFailed;
    }
  });
}
