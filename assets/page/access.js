// Names for fields inside Gradio's own widgets, which bring none that a screen reader would tell.
(() => {
  "use strict";
  const NAMES = [
    [".table-container .search-input, input.search-input", "Filter the rows of the table"],
    [".table-wrap [role=gridcell] input", "Cell of the table"],
  ];
  let due = 0;
  const name = () => NAMES.forEach(([where, text]) => document.querySelectorAll(where).forEach((field) => {
    if (!field.hasAttribute("aria-label")) field.setAttribute("aria-label", text);
  }));
  const again = () => { cancelAnimationFrame(due); due = requestAnimationFrame(name); };
  const begin = () => { again(); new MutationObserver(again).observe(document.body, { childList: true, subtree: true }); };
  if (document.body) begin(); else document.addEventListener("DOMContentLoaded", begin);
})();
