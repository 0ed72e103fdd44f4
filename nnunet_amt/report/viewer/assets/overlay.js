/* Prediction and reference over NiiVue's planes: sharp lines at any size, blue and solid against orange and dashed. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const REFERENCE = { bit: 1, colour: "#D55E00", dashes: [7, 5] };
  const PREDICTION = { bit: 2, colour: "#0072B2", dashes: [] };

  /** Where a share (0 to 1) of each axis lies on a tile of NiiVue's, in pixels of the canvas. */
  function tileOf(nv, number) {
    const slice = nv.screenSlices[number];
    const axis = 2 - slice.axCorSag; // across which it is cut: 0 sagittal, 1 coronal, 2 axial
    if (axis < 0) return null;
    let [left, top, width, height] = slice.leftTopWidthHeight;
    if (width < 0) {
      left += width;
      width = -width;
    }
    const first = nv.screenXY2TextureFrac(left + 1, top + 1, number, false);
    const last = nv.screenXY2TextureFrac(left + width - 1, top + height - 1, number, false);
    const [across, down] = amt.planeAxes[axis];
    const line = (from, to, start, end) => (share) => start + ((share - from) / (to - from)) * (end - start);
    return {
      axis,
      box: [left, top, width, height],
      x: line(first[across], last[across], left + 1, left + width - 1),
      y: line(first[down], last[down], top + 1, top + height - 1),
    };
  }

  function pathOf(labels, tile, bit, share) {
    const size = labels.size;
    const [across, down] = amt.planeAxes[tile.axis];
    const index = Math.min(size[tile.axis] - 1, Math.max(0, Math.floor(share * size[tile.axis])));
    const path = new Path2D();
    for (const loop of amt.outlines(amt.maskSlice(labels, tile.axis, index, bit))) {
      loop.forEach(([u, v], i) => {
        const x = tile.x(amt.toRas(u / size[across], across)), y = tile.y(amt.toRas(v / size[down], down));
        if (i) path.lineTo(x, y);
        else path.moveTo(x, y);
      });
      path.closePath();
    }
    return path;
  }

  /** NiiVue counts x and y from the other side than our arrays; its own inverse. */
  amt.toRas = (share, axis) => (axis === 2 ? share : 1 - share);

  /** Draw both masks on all planes. `shown`: {prediction, reference, outlines, fill (0 to 1)}. */
  amt.drawOverlay = function (canvas, nv, labels, shown) {
    const glCanvas = nv.canvas;
    if (canvas.width !== glCanvas.width) canvas.width = glCanvas.width;
    if (canvas.height !== glCanvas.height) canvas.height = glCanvas.height;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!labels) return;
    const scale = canvas.width / Math.max(1, glCanvas.clientWidth);
    for (let number = 0; number < nv.screenSlices.length; number++) {
      const tile = tileOf(nv, number);
      if (!tile) continue;
      context.save();
      context.beginPath();
      context.rect(...tile.box);
      context.clip();
      const share = amt.toRas(nv.scene.crosshairPos[tile.axis], tile.axis);
      if (shown.prediction) draw(context, pathOf(labels, tile, PREDICTION.bit, share), PREDICTION, shown, scale);
      if (shown.reference) draw(context, pathOf(labels, tile, REFERENCE.bit, share), REFERENCE, shown, scale);
      context.restore();
    }
  };

  function draw(context, path, mask, shown, scale) {
    if (shown.fill > 0) {
      context.globalAlpha = shown.fill;
      context.fillStyle = mask === REFERENCE ? hatching(context, mask.colour, scale) : mask.colour;
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
    }
    if (!shown.outlines) return;
    context.lineJoin = "round";
    context.setLineDash([]);
    context.lineWidth = 3.5 * scale; // a dark rim, so that the lines stand out from bright bone too
    context.strokeStyle = "rgba(0, 0, 0, 0.45)";
    if (mask === PREDICTION) context.stroke(path);
    context.setLineDash(mask.dashes.map((length) => length * scale));
    context.lineWidth = 2 * scale;
    context.strokeStyle = mask.colour;
    context.stroke(path);
  }

  /** Diagonal stripes, so that the reference's area is told from the prediction's without its colour. */
  function hatching(context, colour, scale) {
    const size = Math.round(8 * scale);
    const tile = document.createElement("canvas");
    tile.width = tile.height = size;
    const pen = tile.getContext("2d");
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5 * scale;
    for (const shift of [-size, 0, size]) {
      pen.moveTo(shift, size);
      pen.lineTo(shift + size, 0);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  }
})();
