/* Prediction and reference over NiiVue's planes: sharp lines at any size, blue and solid against orange and dashed. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});
  const REFERENCE = { bit: 1, colour: "#D55E00", rim: "rgba(0, 0, 0, 0.6)", dashes: [7, 5] };
  const PREDICTION = { bit: 2, colour: "#0072B2", rim: "rgba(255, 255, 255, 0.6)", dashes: [] };
  // left, right, upper and lower edge of a plane across x, y and z
  const EDGES = [["A", "P", "H", "F"], ["R", "L", "H", "F"], ["R", "L", "A", "P"]];
  const BARS_MM = [20, 10, 5];

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
      drawCrosshair(context, tile, nv, scale);
      writeEdges(context, tile, scale);
      drawScaleBar(context, tile, nv, scale);
      context.restore();
    }
  };

  /** Thin lines with a gap, so that a small lesion is not hidden under them. */
  function drawCrosshair(context, { axis, box: [left, top, width, height], x, y }, nv, scale) {
    const [across, down] = amt.planeAxes[axis];
    const [column, row] = [x(nv.scene.crosshairPos[across]), y(nv.scene.crosshairPos[down])];
    const gap = 18 * scale;
    context.setLineDash([]);
    context.lineWidth = scale;
    context.strokeStyle = "rgba(255, 255, 255, 0.55)";
    context.beginPath();
    for (const [x0, y0, x1, y1] of [
      [left, row, column - gap, row],
      [column + gap, row, left + width, row],
      [column, top, column, row - gap],
      [column, row + gap, column, top + height],
    ]) {
      if (x1 < x0 || y1 < y0) continue; // the crosshair is nearer to the edge than its gap
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
  }

  function write(context, text, x, y, align, baseline, scale) {
    context.font = `${13 * scale}px system-ui, sans-serif`;
    context.textAlign = align;
    context.textBaseline = baseline;
    context.lineWidth = 3 * scale;
    context.setLineDash([]);
    context.strokeStyle = "black";
    context.strokeText(text, x, y);
    context.fillStyle = "white";
    context.fillText(text, x, y);
  }

  function writeEdges(context, { axis, box: [left, top, width, height] }, scale) {
    const [atLeft, atRight, above, below] = EDGES[axis];
    const gap = 4 * scale;
    write(context, atLeft, left + gap, top + height / 2, "left", "middle", scale);
    write(context, atRight, left + width - gap, top + height / 2, "right", "middle", scale);
    write(context, above, left + width / 2, top + gap, "center", "top", scale);
    write(context, below, left + width / 2, top + height - gap, "center", "bottom", scale);
  }

  function drawScaleBar(context, { axis, box: [left, top, width, height] }, nv, scale) {
    const across = amt.planeAxes[axis][0];
    const { dims, pixDims } = nv.volumes[0].hdr;
    const pixelsPerMm = width / (dims[across + 1] * pixDims[across + 1]);
    const length = BARS_MM.find((mm) => mm * pixelsPerMm < width / 3);
    if (!length) return;
    const right = left + width - 8 * scale, bottom = top + height - 8 * scale;
    context.fillStyle = "black";
    context.fillRect(right - length * pixelsPerMm - scale, bottom - 3 * scale, length * pixelsPerMm + 2 * scale, 4 * scale);
    context.fillStyle = "white";
    context.fillRect(right - length * pixelsPerMm, bottom - 2 * scale, length * pixelsPerMm, 2 * scale);
    write(context, `${length / 10} cm`, right, bottom - 4 * scale, "right", "bottom", scale);
  }

  function draw(context, path, mask, shown, scale) {
    if (shown.fill > 0 && !shown.coloured) {
      context.globalAlpha = shown.fill;
      context.fillStyle = mask === REFERENCE ? hatching(context, mask.colour, scale) : mask.colour;
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
    }
    if (!shown.outlines) return;
    context.lineJoin = "round";
    context.setLineDash(mask.dashes.map((length) => length * scale));
    // a rim sets the lines off from whatever lies under them
    for (const [width, colour] of [[3.8, mask.rim], [2, mask.colour]]) {
      context.lineWidth = width * scale;
      context.strokeStyle = colour;
      context.stroke(path);
    }
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
