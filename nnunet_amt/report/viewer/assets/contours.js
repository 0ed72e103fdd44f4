/* Outlines of a mask in a plane, along the edges of its voxels. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});

  /** The two axes (0 x, 1 y, 2 z) of a slice across each axis. */
  amt.planeAxes = [[1, 2], [0, 2], [0, 1]];

  /** A slice across `axis` of the voxels that have `bit`, as {width, height, filled}. */
  amt.maskSlice = function (labels, axis, index, bit) {
    const [nx, ny] = labels.size;
    const strides = [1, nx, nx * ny];
    const [across, down] = amt.planeAxes[axis];
    const width = labels.size[across], height = labels.size[down];
    const filled = new Uint8Array(width * height);
    const first = index * strides[axis];
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        filled[v * width + u] = labels.voxels[first + u * strides[across] + v * strides[down]] & bit ? 1 : 0;
      }
    }
    return { width, height, filled };
  };

  /** Closed outlines as lists of [u, v] corners; a voxel is a square from (u, v) to (u + 1, v + 1). */
  amt.outlines = function ({ width, height, filled }) {
    const at = (u, v) => u >= 0 && v >= 0 && u < width && v < height && filled[v * width + u];
    const next = new Map(); // corner -> corners that an edge leads to, the mask on its right
    const row = width + 1;
    const edge = (u0, v0, u1, v1) => {
      const from = v0 * row + u0;
      if (!next.has(from)) next.set(from, []);
      next.get(from).push(v1 * row + u1);
    };
    for (let v = 0; v < height; v++) {
      for (let u = 0; u < width; u++) {
        if (!at(u, v)) continue;
        if (!at(u, v - 1)) edge(u, v, u + 1, v);
        if (!at(u + 1, v)) edge(u + 1, v, u + 1, v + 1);
        if (!at(u, v + 1)) edge(u + 1, v + 1, u, v + 1);
        if (!at(u - 1, v)) edge(u, v + 1, u, v);
      }
    }
    const loops = [];
    for (const start of next.keys()) {
      while (next.get(start).length) {
        const loop = [];
        let corner = start;
        do {
          loop.push([corner % row, Math.floor(corner / row)]);
          corner = next.get(corner).pop();
        } while (corner !== start);
        loops.push(loop);
      }
    }
    return loops;
  };
})();
