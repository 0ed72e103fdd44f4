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
      this.nv = nv;
    }

    /** Show a case, with the crosshair at a point given as shares (x, y, z) of the crop. */
    async show(item, point) {
      const asked = ++this.asked;
      const [image, labels] = await Promise.all([amt.decode(item.image), amt.decode(item.labels)]);
      const volume = await window.niivue.NVImage.new(image, "case.nii", "gray", 1);
      if (asked !== this.asked) return false; // another case was asked for meanwhile
      for (const old of [...this.nv.volumes]) this.nv.removeVolume(old);
      this.labels = amt.labelVolume(labels);
      this.setLimits(volume);
      this.nv.addVolume(volume);
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

    setShown(changes) {
      Object.assign(this.shown, changes);
      if (this.nv?.volumes.length) this.nv.drawScene();
    }
  };
})();
