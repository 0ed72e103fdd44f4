/* The page's data blocks: gzip'ed NIfTI in base64, unpacked when a case is shown. */
"use strict";
(function () {
  const amt = (window.amtViewer = window.amtViewer || {});

  amt.canDecode = () => typeof DecompressionStream === "function";

  /** The bytes of a block as an ArrayBuffer, unpacked. */
  amt.decode = async function (id) {
    const packed = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };

  /** The label volume of a NIfTI file that we wrote: bytes, x to the left, y to posterior, z to the head. */
  amt.labelVolume = function (buffer) {
    const header = new DataView(buffer);
    const size = [42, 44, 46].map((at) => header.getInt16(at, true));
    return { size, voxels: new Uint8Array(buffer, header.getFloat32(108, true)) };
  };
})();
