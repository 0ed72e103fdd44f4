/* NiiVue on the page's one canvas: a case at a time, three planes, and our masks over them. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const OPTIONS = {
    backColor: [0, 0, 0, 1],
    clipPlaneHotKey: "",
    crosshairWidth: 0, // we draw a thinner one
    cycleClipPlaneHotKey: "",
    dragAndDropEnabled: false,
    dragMode: 0, // none: the window is set with the controls
    isOrientationTextVisible: false, // we write the letters of the still pictures
    isRadiologicalConvention: true, // the patient's right is on the left of the picture
    loadingText: "",
    logLevel: "silent",
    multiplanarLayout: 3, // in a row
    multiplanarPadPixels: 4,
    multiplanarShowRender: 0, // never
    sagittalNoseLeft: true,
    viewModeHotKey: "",
  };

  // from the threshold to certainty; equally opaque, so that the threshold's edge is seen
  const PROBABILITY = { R: [204, 204, 240], G: [70, 70, 228], B: [150, 150, 66], A: [0, 255, 255], I: [0, 1, 255] };
  const PROBABILITY_OPACITY = 0.55;

  /** Whether the browser can draw with WebGL 2 at all. */
  amt.hasWebGL = function () {
    try {
      const context = document.createElement("canvas").getContext("webgl2");
      context?.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few of them
      return Boolean(context);
    } catch {
      return false;
    }
  };

  amt.Planes = class {
    /** `moved` is called whenever the crosshair has moved. */
    constructor(canvas, overlay, moved) {
      this.canvas = canvas;
      this.overlay = overlay;
      this.moved = moved;
      this.shown = { prediction: true, reference: true, outlines: true, fill: 0.25 };
      this.window = { level: 40, width: 400 };
      this.labels = null;
      this.threshold = null; // of probability; null where none is shown
      this.asked = 0;
    }

    async start() {
      const nv = new window.niivue.Niivue(OPTIONS);
      const drawScene = nv.drawScene.bind(nv);
      nv.drawScene = (...words) => {
        const said = drawScene(...words);
        if (nv.volumes.length) amt.drawOverlay(this.overlay, nv, this.labels, this.shown);
        return said;
      };
      nv.onLocationChange = () => this.moved();
      await nv.attachToCanvas(this.canvas, true);
      nv.addColormap("amt-probability", PROBABILITY);
      this.nv = nv;
    }

    /** Show a case, with the crosshair at a point given as shares (x, y, z) of the crop. */
    async show(item, point) {
      const asked = ++this.asked;
      const names = [item.image, item.labels, item.probabilities].filter(Boolean);
      const [image, labels, probabilities] = await Promise.all(names.map(amt.decode));
      const volume = await window.niivue.NVImage.new(image, "case.nii", "gray", 1);
      const layer = probabilities && (await window.niivue.NVImage.new(probabilities, "probability.nii", "amt-probability", 0));
      if (asked !== this.asked) return false; // another case was asked for meanwhile
      for (const old of [...this.nv.volumes]) this.nv.removeVolume(old);
      this.labels = amt.labelVolume(labels);
      this.setLimits(volume);
      this.nv.addVolume(volume);
      if (layer) {
        this.setLayer(layer);
        this.nv.addVolume(layer);
      }
      this.moveTo(point);
      return true;
    }

    /** Voxels of the shown CT along x, y, z. */
    get size() {
      return this.nv.volumes.length ? this.nv.volumes[0].hdr.dims.slice(1, 4) : [1, 1, 1];
    }

    /** The crosshair as shares (x, y, z) of the crop. */
    get point() {
      return [0, 1, 2].map((axis) => amt.toRas(this.nv.scene.crosshairPos[axis], axis));
    }

    moveTo(point) {
      this.nv.scene.crosshairPos = point.map((share, axis) => amt.toRas(share, axis));
      this.nv.drawScene();
      this.moved();
    }

    /** The slice across an axis that the crosshair is on, from 0. */
    sliceOf(axis) {
      return Math.min(this.size[axis] - 1, Math.max(0, Math.floor(this.point[axis] * this.size[axis])));
    }

    toSlice(axis, index) {
      const point = this.point;
      const last = this.size[axis] - 1;
      point[axis] = (Math.min(last, Math.max(0, index)) + 0.5) / (last + 1);
      this.moveTo(point);
    }

    setWindow(level, width) {
      this.window = { level, width };
      if (!this.nv?.volumes.length) return;
      this.setLimits(this.nv.volumes[0]);
      this.nv.updateGLVolume();
    }

    setLimits(volume) {
      volume.cal_min = this.window.level - this.window.width / 2;
      volume.cal_max = this.window.level + this.window.width / 2;
    }

    /** Colour what lies at or above a probability; null for nothing. */
    setThreshold(threshold) {
      this.threshold = threshold;
      this.shown.coloured = threshold !== null;
      const layer = this.nv?.volumes[1];
      if (!layer) return;
      this.setLayer(layer);
      this.nv.updateGLVolume();
    }

    setLayer(layer) {
      layer.opacity = this.threshold === null ? 0 : PROBABILITY_OPACITY;
      layer.cal_min = (this.threshold ?? 1) - 0.5 / 255; // what lies on it is coloured too
      layer.cal_max = 1;
    }

    setShown(changes) {
      Object.assign(this.shown, changes);
      if (this.nv?.volumes.length) this.nv.drawScene();
    }
  };
})();
