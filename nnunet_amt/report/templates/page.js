/* Opens what is folded: for a link that leads into it, in browsers that do not, and for print. */
"use strict";
(function () {
  function reveal(hash) {
    let target = null;
    try {
      target = document.getElementById(decodeURIComponent(hash.slice(1)));
    } catch (error) {
      return; // no text that an id could have
    }
    let opened = false;
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName !== "DETAILS" || at.open) continue;
      at.open = opened = true;
    }
    if (opened) target.scrollIntoView();
  }

  window.addEventListener("hashchange", () => reveal(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) reveal(link.hash); // the second time that a link is followed the address does not change
  });
  reveal(location.hash);

  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
    folded = [];
  });
})();
