// Many new pictures: a table, a click that enlarges, and the same as CSV. Every text goes in through textContent.
(() => {
  "use strict";
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const button = (className, label, text, act) => {
    const node = make("button", className, text);
    node.type = "button";
    node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    return node;
  };

  // The picture alone, where no other part of the page enlarges pictures.
  function alone(items, index) {
    const dialog = make("dialog", "sn-batch-large"), image = make("img");
    image.src = items[index].src; image.alt = items[index].caption;
    dialog.append(image, make("p", "", items[index].caption), button("sn-replay", "Close", "Close", () => dialog.close()));
    dialog.addEventListener("close", () => dialog.remove());
    document.querySelector(".gradio-container").append(dialog);
    dialog.showModal();
  }

  function download(text) {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
    link.download = "new-pictures.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function batch(element, props, watch) {
    const box = element.querySelector(".sn-batch");
    const draw = () => {
      const value = props.value || {};
      box.replaceChildren();
      if (!value.rows) { box.append(make("p", "sn-empty", value.empty || "")); return; }
      const head = make("div", "sn-batch-head");
      head.append(make("p", "sn-note", value.title), button("sn-replay", "Download the table as CSV", "CSV", () => download(value.csv)));
      const names = ["picture", "", "vote", "margin", "exit", "ms", ...(value.full ? ["full model"] : []), ...(value.labels ? ["folder"] : []), "look at"];
      const table = make("table"), top = make("tr");
      names.forEach((name) => { const cell = make("th", "", name); cell.scope = "col"; top.append(cell); });
      table.append(top);
      const items = value.rows.filter((row) => row.src).map((row) => ({ src: row.src, caption: `${row.name}: ${row.vote}${row.full ? `, full model: ${row.full}` : ""}` }));
      let at = 0;
      value.rows.forEach((row) => {
        const line = make("tr", row.remarks.length ? "sn-batch-marked" : ""), seen = make("td");
        if (row.src) {
          const index = at++, tile = button("sn-batch-tile", `Enlarge ${row.name}`, "", () => (window.snViz.enlarge ?? alone)(items, index));
          const image = make("img");
          image.src = row.src; image.alt = ""; image.loading = "lazy";
          tile.append(image); seen.append(tile);
        }
        const told = [row.name, row.vote, row.margin === null ? "" : `${Math.round(100 * row.margin)} %`, row.layer, row.ms === null ? "" : row.ms.toFixed(1), ...(value.full ? [row.full] : []), ...(value.labels ? [row.label] : []), row.failed || row.remarks.join(", ")];
        line.append(seen, ...told.map((text, i) => make("td", i === 0 ? "sn-batch-name" : "", text)));
        table.append(line);
      });
      const scroll = make("div", "sn-batch-scroll");
      scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", "New pictures, as a table");
      scroll.append(table);
      box.append(head, scroll);
    };
    watch("value", draw);
    draw();
  }

  Object.assign(window.snViz, { batch });
})();
