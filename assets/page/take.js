// Take it with you: the panel that opens and closes, what is downloaded, and each figure as PNG or SVG.
(() => {
  "use strict";
  const panel = () => document.getElementById("take");

  function take(open) {
    const box = panel();
    if (!box) return;
    const now = document.body.classList.contains("sn-take-open"), wanted = open ?? !now;
    document.body.classList.toggle("sn-take-open", wanted);
    document.getElementById("btn-export")?.setAttribute("aria-expanded", String(wanted));
    if (wanted) { document.getElementById("take-title")?.focus({ preventScroll: true }); box.scrollIntoView({ block: "start" }); }
    else if (now) document.getElementById("btn-export")?.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.("#take") && !document.querySelector("[role=listbox]")) take(false);
  });

  // The path comes a moment after the event that it belongs to.
  const download = () => setTimeout(() => document.querySelector("#export-file a, a#export-file, #export-file")?.click(), 200);

  const save = (href, name) => {
    const link = document.createElement("a");
    link.href = href; link.download = name;
    document.body.append(link); link.click(); link.remove();
  };

  async function saveFigure(plot, format) {
    const name = plot.closest("[id^=fig-]")?.id || "figure", dark = document.body.classList.contains("dark");
    const paper = dark ? getComputedStyle(document.body).backgroundColor : "#ffffff";
    const layout = { ...plot.layout, paper_bgcolor: paper };
    const url = await window.Plotly.toImage({ data: plot.data, layout }, { format, width: plot.offsetWidth, height: plot.offsetHeight, scale: 2 });
    save(url, `${name}.${format}`);
  }

  function addButtons(plot) {
    const place = plot.parentElement;
    if (!place || place.querySelector(":scope > .sn-take-figure")) return;
    const box = document.createElement("div");
    box.className = "sn-take-figure";
    for (const format of ["png", "svg"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = format.toUpperCase();
      button.setAttribute("aria-label", `Save this figure as ${format.toUpperCase()}: ${plot.getAttribute("aria-label") || "figure"}`);
      button.addEventListener("click", () => saveFigure(plot, format));
      box.append(button);
    }
    place.classList.add("sn-take-place");
    place.append(box);
  }

  const look = () => document.querySelectorAll(".js-plotly-plot").forEach(addButtons);
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; look(); }, 300);
  }).observe(document.documentElement, { subtree: true, childList: true });

  Object.assign(window.snViz, { take, download, saveFigure });
})();
