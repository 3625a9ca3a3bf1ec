// One selection, shown by every view of the Neurons section; the cut that is dragged in the figure; strips of pictures that enlarge.
// While a cut is dragged nothing is asked of the server: the counts are made here, from the probing pictures' values.
(() => {
  "use strict";
  const { make, button, calm, plot } = window.snViz;
  const now = { selection: null, drag: null, thumbs: [], live: null, held: false, awaited: undefined, awaitedAt: 0 };
  const await_ = (cut) => { now.awaited = cut; now.awaitedAt = performance.now(); };
  const views = new Set();
  const tell = () => views.forEach((draw) => draw());
  const same = (one, other) => one === other || (one !== null && other !== null && Math.fround(one) === Math.fround(other));

  // Whether the neuron says its class, as the server decides it: values are compared as 32-bit floats; none never says so.
  function says(value, cut, sign) {
    if (value === null) return false;
    return sign > 0 ? Math.fround(value) > Math.fround(cut) : Math.fround(value) < Math.fround(cut);
  }

  function countsAt(drag, cut) {
    const counts = { hits: 0, misses: 0, false_alarms: 0, rejections: 0 };
    drag.values.forEach((value, i) => {
      if (drag.labels[i] < 0) return;
      const said = says(value, cut, drag.sign), is = drag.labels[i] === drag.says;
      counts[is ? (said ? "hits" : "misses") : (said ? "false_alarms" : "rejections")] += 1;
    });
    return counts;
  }

  function balanced(counts) {
    const inside = counts.hits + counts.misses, outside = counts.false_alarms + counts.rejections;
    return inside && outside ? (counts.hits / inside + counts.rejections / outside) / 2 : NaN;
  }

  // Probing pictures about which the answer at `cut` is another than at the found threshold.
  const flipped = (drag, cut) => drag.values.map((value, i) => i)
    .filter((i) => says(drag.values[i], cut, drag.sign) !== says(drag.values[i], drag.threshold, drag.sign));

  const short = (value) => Number(value.toPrecision(4)).toString();
  const side = (drag) => (drag.sign > 0 ? "above" : "below");
  const brief = (text, length = 22) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

  // The selection: value is {neuron, layer, site, cut, by_hand, test}.
  function selected(element, props, watch) {
    element.closest(".gradio-container")?.style.setProperty("overflow", "clip", "important"); // hidden, nothing in it could stay in sight
    const draw = () => {
      const next = props.value;
      if (!next) return;
      const other = now.selection?.neuron !== next.neuron;
      now.selection = next;
      if (other) { now.awaited = undefined; now.held = false; }
      if (performance.now() - now.awaitedAt > 5000) now.awaited = undefined;
      if (!now.held && (now.awaited === undefined || same(now.awaited, next.cut) || (now.awaited === null && !next.by_hand))) {
        now.awaited = undefined;
        now.live = next.cut;
      }
      tell();
      document.dispatchEvent(new CustomEvent("snviz:selected", { detail: next }));
    };
    watch("value", draw);
    draw();
  }

  function thumbs(element, props, watch) {
    const draw = () => { now.thumbs = props.value || []; tell(); };
    watch("value", draw);
    draw();
  }

  // The heatmap: the selected cell is outlined, arrow keys move from cell to cell, and a line says what stands there.
  function heatmap(element, props, watch, pick) {
    const box = element.querySelector(".sn-plot"), line = make("p", "sn-cell-said");
    line.id = "heatmap-said"; line.setAttribute("aria-live", "polite");
    box.after(line);
    let said = [], at = null, timer = 0;
    const cells = () => box.data?.[0]?.customdata || [];
    const place = () => {
      const want = now.selection;
      let found = null;
      cells().forEach((row, r) => row.forEach((cell, c) => { if (want && cell[0] === want.layer && cell[1] === want.site) found = [r, c]; }));
      return found;
    };
    const boxes = (shapes, [r, c], layer) => (shapes || []).map((shape) => ({ ...shape, x0: layer - 0.5, x1: layer + 0.5, y0: r - 0.5, y1: r + 0.5 }));
    const outline = (where) => {
      at = where;
      line.textContent = where ? said[where[0]]?.[where[1]] ?? "" : "";
      if (where && box.layout?.shapes?.length) window.Plotly.relayout(box, { shapes: boxes(box.layout.shapes, where, cells()[where[0]][where[1]][0]) });
    };
    const follow = () => { if (box.data?.length && !timer) outline(place()); };
    box.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || !at) return;
      event.preventDefault();
      const rows = cells();
      let [r, c] = [at[0] + step[0], at[1] + step[1]];
      while (rows[r]?.[c] && rows[r][c][2] < 0) { r += step[0]; c += step[1]; }
      if (!rows[r]?.[c]) return;
      clearTimeout(timer);
      outline([r, c]);
      timer = setTimeout(() => { timer = 0; pick({ x: rows[r][c][0], y: r, curve: 0, point: [r, c], custom: rows[r][c] }); }, 160);
    });
    plot(element, props, watch, (where) => { pick(where); bringNeuron(); }, {
      after: (drawn, value) => {
        said = value.said || [];
        drawn.tabIndex = 0;
        drawn.setAttribute("role", "application");
        drawn.setAttribute("aria-roledescription", "heatmap");
        drawn.setAttribute("aria-label", `${value.label}. Arrow keys move from cell to cell`);
        drawn.setAttribute("aria-describedby", line.id);
        follow();
      },
    });
    views.add(follow);
  }

  // On a narrow page the neuron stands below what was clicked: bring it into sight.
  function bringNeuron() {
    const page = document.getElementById("neuron-page");
    if (page && innerWidth <= 700 && page.getBoundingClientRect().top > 0.45 * innerHeight) page.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
  }

  // The units: the selected one wears a ring.
  function units(element, props, watch, pick) {
    const box = element.querySelector(".sn-plot");
    const ring = (layout, data) => {
      for (const trace of data || []) {
        const i = (trace.customdata || []).findIndex((custom) => custom[2] === now.selection?.neuron);
        if (i < 0) continue;
        const shape = { type: "circle", xref: "x", yref: "y", xsizemode: "pixel", ysizemode: "pixel", xanchor: trace.x[i], yanchor: trace.y[i], x0: -10, x1: 10, y0: -10, y1: 10 };
        return [{ ...shape, line: { color: layout.font?.color || "#888", width: 2.5 } }];
      }
      return [];
    };
    plot(element, props, watch, (where) => { pick(where); bringNeuron(); }, { before: (layout, value, figure) => { layout.shapes = ring(layout, figure.data); } });
    views.add(() => { if (box.data?.length) window.Plotly.relayout(box, { shapes: ring(box.layout, box.data) }); });
  }

  // The table: the row of the selected neuron is marked. Its rows are made anew as it scrolls, so it is looked through again.
  function markRow() {
    const table = document.getElementById("neuron-table");
    if (!table) return;
    const want = String(now.selection?.neuron ?? "");
    table.querySelectorAll("[data-testid$='-0']").forEach((cell) => {
      const row = cell.closest("[role=row], tr, .row") || cell.parentElement;
      const is = want !== "" && cell.textContent.trim() === want;
      if (row && row.classList.contains("sn-row-selected") !== is) row.classList.toggle("sn-row-selected", is);
      if (row) { if (is) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current"); }
    });
  }
  let watched = null, marking = 0;
  views.add(() => {
    const table = document.getElementById("neuron-table");
    if (table && table !== watched) {
      watched = table;
      new MutationObserver(() => { cancelAnimationFrame(marking); marking = requestAnimationFrame(markRow); })
        .observe(table, { childList: true, subtree: true, characterData: true });
    }
    markRow();
  });

  // The figure of one neuron, with a cut that is dragged by mouse, touch or keys.
  function histogram(element, props, watch, pick) {
    const box = element.querySelector(".sn-plot");
    const layer = make("div", "sn-cut"), shade = make("div", "sn-cut-side"), line = make("div", "sn-cut-line"), handle = make("div", "sn-cut-handle");
    const tag = make("span", "sn-cut-tag"), dots = make("div", "sn-cut-flips");
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", "Cut of this neuron");
    handle.setAttribute("aria-orientation", "horizontal");
    handle.append(make("i", ""));
    layer.append(shade, dots, line, handle, tag);
    let grip = null, start = null, timer = 0;

    const axis = () => box._fullLayout?.xaxis;
    const span = () => axis().range.map(Number);
    const clamp = (value) => Math.min(Math.max(value, span()[0]), span()[1]);
    const at = (value) => axis()._offset + axis().c2p(clamp(value));
    const step = () => 10 ** Math.floor(Math.log10((span()[1] - span()[0]) / 300));
    const round = (value) => Number((Math.round(value / step()) * step()).toPrecision(12));
    const found = (value) => same(value, now.drag.threshold);

    const draw = () => {
      const drag = now.drag, cut = now.live;
      const shown = drag && cut !== null && axis() && now.selection?.neuron === drag.neuron;
      layer.hidden = !shown;
      document.getElementById("neuron-page")?.classList.toggle("sn-moving", Boolean(shown && (now.held || now.awaited !== undefined)));
      if (!shown) return;
      const { t, h } = box._fullLayout._size, x = at(cut), left = axis()._offset, right = left + axis()._length;
      const yes = drag.sign > 0 ? [x, right] : [left, x];
      const dark = document.body.classList.contains("dark");
      Object.assign(shade.style, { left: `${yes[0]}px`, width: `${Math.max(0, yes[1] - yes[0])}px`, top: `${t}px`, height: `${h}px`, background: drag.colour[dark ? 1 : 0] });
      Object.assign(line.style, { left: `${x}px`, top: `${t - 8}px`, height: `${h + 8}px` });
      Object.assign(handle.style, { left: `${x}px`, top: `${t - 12}px` });
      tag.textContent = `says “${brief(drag.classes[drag.says])}” ${side(drag)} ${short(cut)}`;
      tag.style.top = `${t - 24}px`;
      const roomLeft = x - left > right - x;
      Object.assign(tag.style, roomLeft ? { right: `${box.offsetWidth - x + 18}px`, left: "auto" } : { left: `${x + 18}px`, right: "auto" });
      const counts = countsAt(drag, cut), score = balanced(counts);
      handle.tabIndex = 0;
      handle.setAttribute("aria-valuemin", short(span()[0]));
      handle.setAttribute("aria-valuemax", short(span()[1]));
      handle.setAttribute("aria-valuenow", short(clamp(cut)));
      handle.setAttribute("aria-valuetext", `says ${drag.classes[drag.says]} ${side(drag)} ${short(cut)}${found(cut) ? ", the found threshold" : ", chosen by hand"}; `
        + `of the probing pictures ${counts.hits} hits, ${counts.misses} misses, ${counts.false_alarms} false alarms, ${counts.rejections} rejections`
        + (Number.isFinite(score) ? `, balanced accuracy ${score.toFixed(3)}` : ""));
      const rug = box._fullLayout.yaxis2;
      dots.replaceChildren(...flipped(drag, cut).filter((i) => drag.labels[i] >= 0 && rug).slice(0, 200).map((i) => {
        const dot = make("i", "");
        Object.assign(dot.style, { left: `${at(drag.values[i])}px`, top: `${rug._offset + rug.c2p(drag.rows[drag.labels[i]] + 0.2)}px` });
        return dot;
      }));
    };

    const move = (value) => { now.live = clamp(value); tell(); };
    const settle = () => {
      clearTimeout(timer); timer = 0; now.held = false;
      const cut = found(now.live) ? null : now.live;
      if (same(cut, now.selection.by_hand ? now.selection.cut : null) && now.awaited === undefined) { tell(); return; }
      await_(cut);
      pick({ cut });
      tell();
    };
    const back = () => { now.live = now.drag.threshold; settle(); };
    const valueAt = (event) => {
      const pixel = event.clientX - box.getBoundingClientRect().left + grip - axis()._offset;
      if (Math.abs(pixel - axis().c2p(now.drag.threshold)) < 4) return now.drag.threshold;
      return round(axis().p2c(pixel));
    };
    for (const part of [line, handle]) {
      part.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        event.preventDefault();
        handle.focus({ preventScroll: true });
        grip = at(now.live) - (event.clientX - box.getBoundingClientRect().left);
        start = event.clientX;
        part.setPointerCapture(event.pointerId);
      });
      part.addEventListener("pointermove", (event) => {
        if (grip === null || (!now.held && Math.abs(event.clientX - start) < 2)) return;
        now.held = true;
        move(valueAt(event));
      });
      const release = () => { if (grip === null) return; grip = null; if (now.held) settle(); };
      part.addEventListener("pointerup", release);
      part.addEventListener("pointercancel", release);
    }
    layer.addEventListener("dblclick", (event) => { event.stopPropagation(); back(); });
    box.addEventListener("dblclick", () => { if (now.drag && now.selection?.by_hand) back(); });
    handle.addEventListener("keydown", (event) => {
      const few = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      const end = { Home: 0, End: 1 }[event.key];
      if (few === undefined && end === undefined) return;
      event.preventDefault();
      now.held = true;
      move(end === undefined ? round(now.live + few * (event.shiftKey ? 10 : 1) * step()) : span()[end]);
      clearTimeout(timer);
      timer = setTimeout(settle, 350);
    });
    handle.addEventListener("blur", () => { if (timer) settle(); });

    const drawn = (where) => {
      const custom = where.custom;
      if (Array.isArray(custom) && custom.length === 2) enlarge([{ split: custom[1], example: custom[0], ...of(custom) }], 0);
    };
    const of = ([example, split]) => {
      const drag = now.drag, is = split === "train";
      return { caption: is ? drag?.names[example] || "probing picture" : "test picture", src: is ? now.thumbs[example] : undefined };
    };
    plot(element, props, watch, drawn, {
      after: (shown, value) => {
        if (now.drag?.neuron !== value.drag?.neuron) { now.held = false; }
        now.drag = value.drag || null;
        if (now.drag && now.selection?.neuron === now.drag.neuron && now.live === null) now.live = now.selection.cut;
        shown.append(layer);
        shown.setAttribute("role", "group");
        tell();
      },
    });
    views.add(draw);
  }

  // The slider moves the line at once, and Reset brings it back, before the server has answered. While its thumb is held Gradio hears
  // nothing of it, as of the line: one answer on release instead of one for every step, which would hold up the next ones.
  const follow = (value) => { if (now.drag && now.live !== null && Number.isFinite(value)) { now.live = value; tell(); } };
  let thumb = null;
  window.addEventListener("pointerdown", (event) => { thumb = event.target.matches?.("#threshold input[type=range]") ? { node: event.target, moved: false } : null; }, true);
  window.addEventListener("input", (event) => {
    if (!thumb || event.target !== thumb.node || !now.drag) return;
    event.stopImmediatePropagation();
    thumb.moved = now.held = true;
    const number = document.querySelector("#threshold input[type=number]");
    if (number) number.value = thumb.node.value;
    follow(Number(thumb.node.value));
  }, true);
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => {
    const { node, moved } = thumb || {};
    thumb = null;
    if (!moved) return;
    now.held = false;
    node.dispatchEvent(new Event("input", { bubbles: true }));
  }, true);
  document.addEventListener("input", (event) => {
    if (event.target.closest?.("#threshold") && event.target.value !== "") follow(Number(event.target.value));
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#btn-threshold-reset") && now.drag && now.live !== null) { await_(null); now.held = false; now.live = now.drag.threshold; tell(); }
  });

  // Counts at the cut that stands in the figure, and which pictures flip.
  const NAMES = { hits: "hits", misses: "misses", false_alarms: "false alarms", rejections: "rejections" };
  function counts(element, props, watch, pick) {
    const box = element.querySelector(".sn-counts");
    const table = make("table", ""), head = make("tr", ""), cells = {}, rows = [make("th", ""), make("th", "")], columns = [make("th", ""), make("th", "")];
    head.append(make("td", ""), ...columns);
    table.append(make("caption", "sn-note", "Probing pictures; test pictures small"), head);
    [["hits", "misses"], ["false_alarms", "rejections"]].forEach((names, r) => {
      const row = make("tr", "");
      rows[r].scope = "row"; columns[r].scope = "col";
      row.append(rows[r]);
      names.forEach((name) => {
        const cell = make("td", ""), node = button(`sn-count sn-count-${name}`, "", () => pick({ which: name }));
        node.dataset.which = name;
        node.append(make("b", ""), make("small", ""));
        cells[name] = node;
        cell.append(node); row.append(cell);
      });
      table.append(row);
    });
    const score = make("p", "sn-cut-score"), flips = make("div", "sn-flips");
    box.append(table, score, flips);
    const draw = () => {
      const drag = now.drag, cut = now.live, shown = drag && cut !== null && now.selection?.neuron === drag.neuron;
      box.classList.toggle("sn-counts-empty", !shown);
      if (!shown) { score.textContent = ""; flips.replaceChildren(); return; }
      const seen = countsAt(drag, cut), test = now.selection.test, settled = !now.held && now.awaited === undefined;
      const name = drag.classes[drag.says], other = drag.classes.length === 2 ? drag.classes[1 - drag.says] : `not ${name}`;
      rows[0].textContent = brief(name, 16); rows[1].textContent = brief(other, 16);
      columns[0].textContent = `says ${brief(name, 14)}`; columns[1].textContent = "does not";
      for (const which of Object.keys(NAMES)) {
        const held = test ? (settled ? `${test[which]}` : "…") : "";
        cells[which].querySelector("b").textContent = seen[which];
        cells[which].querySelector("small").textContent = held && `test ${held}`;
        cells[which].setAttribute("aria-label", `${NAMES[which]}: ${seen[which]} probing pictures${test && settled ? `, ${test[which]} test pictures` : ""}; show them`);
      }
      const value = balanced(seen);
      score.textContent = `${Number.isFinite(value) ? value.toFixed(3) : "undefined"} balanced, probing${same(cut, drag.threshold) ? "" : ", cut chosen by hand"}`;
      const other_ = flipped(drag, cut);
      flips.replaceChildren(make("p", "sn-note", other_.length ? `${other_.length} of ${drag.values.length} probing pictures flip` : "Drag the line: probing pictures that flip show here"));
      const row = make("div", "sn-flip-row");
      other_.slice(0, 24).forEach((i) => {
        const label = drag.labels[i], right = says(drag.values[i], cut, drag.sign) === (label === drag.says);
        const node = make("span", `sn-flip sn-mark-${label < 0 ? "none" : right ? "right" : "wrong"}`);
        if (now.thumbs[i]) { const image = make("img"); image.src = now.thumbs[i]; image.alt = ""; node.append(image); }
        node.title = `${drag.names[i]}${label < 0 ? "" : right ? ": now right" : ": now wrong"}`;
        node.setAttribute("role", "img"); node.setAttribute("aria-label", node.title);
        if (label >= 0) node.append(make("i", "sn-mark-sign", right ? "✓" : "✕"));
        row.append(node);
      });
      if (other_.length > 24) row.append(make("span", "sn-note", `+${other_.length - 24}`));
      flips.append(row);
    };
    views.add(draw);
    draw();
  }

  // Strips: value is {rows: [{title, note, items: [{src, caption, mark, badge, split, example, facts}], more}], title, note, back, empty}.
  function strips(element, props, watch) {
    const box = element.querySelector(".sn-strips");
    let before = null;
    const draw = (value) => {
      box.replaceChildren();
      if (!value) return;
      const head = make("header", "sn-strips-head");
      if (value.back && before) {
        const home = button("sn-back", "Back to the pictures that the neuron is surest of", () => draw(before));
        home.textContent = "← back";
        head.append(home);
      }
      head.append(make("strong", "", value.title || ""), make("span", "sn-note", value.note || ""));
      if (value.title || value.note || value.back) box.append(head);
      if (!(value.rows || []).length) { box.append(make("p", "sn-empty", value.empty || "")); return; }
      const all = value.rows.flatMap((row) => row.items);
      value.rows.forEach((row) => {
        const section = make("section", "sn-strip-of"), label = make("h4", "", row.title), line = make("div", "sn-strip-line");
        label.append(make("span", "sn-note", row.note || ""));
        row.items.forEach((item) => line.append(picture(item, () => enlarge(all, all.indexOf(item)))));
        if (!row.items.length) line.append(make("p", "sn-empty", "none"));
        if (row.more > 0) line.append(make("span", "sn-more", `+${row.more}`));
        section.append(label, line);
        box.append(section);
      });
    };
    const fresh = () => { if (!props.value?.back) before = props.value; draw(props.value); };
    watch("value", fresh);
    fresh();
  }

  function picture(item, act) {
    const tile = button(`sn-tile sn-mark-${item.mark || "none"}`, `${{ wrong: "wrong: ", right: "right: " }[item.mark] || ""}${item.caption || "picture"}; enlarge`, act);
    tile.title = item.caption || "";
    const image = make("img");
    image.src = item.src; image.alt = ""; image.loading = "lazy";
    tile.append(image);
    if (item.mark === "right" || item.mark === "wrong") tile.append(make("span", "sn-mark-sign", item.mark === "right" ? "✓" : "✕"));
    if (item.badge) tile.append(make("span", "sn-badge", item.badge));
    return tile;
  }

  // Neighbours: value is {rows: [{neuron, name, value, note}], empty}.
  function neighbours(element, props, watch, pick) {
    const box = element.querySelector(".sn-alike");
    const draw = () => {
      const value = props.value || {};
      box.replaceChildren(make("h4", "", "Most alike"));
      (value.rows || []).forEach((row) => {
        const node = button("sn-alike-one", `${row.name}: ${row.note}. Go there`, () => pick({ neuron: row.neuron }));
        node.title = row.note;
        node.append(make("span", "", row.name), make("b", "", row.value));
        box.append(node);
      });
      if (!(value.rows || []).length) box.append(make("p", "sn-note", value.empty || ""));
    };
    watch("value", draw);
    draw();
  }

  // Enlarging: items are {src, caption, facts: [text], mark, split, example}; those with split and example get a larger copy.
  let dialog = null, shown = [], index = 0, askLarge = null, opener = null;
  const large = new Map();

  function enlarger(element, props, watch, pick) {
    askLarge = pick;
    watch("value", () => {
      const come = props.value;
      if (!come) return;
      large.clear(); // one at a time: a run that was replaced leaves nothing behind
      large.set(`${come.split} ${come.example}`, come.src);
      const item = shown[index];
      if (!dialog?.open || item?.split !== come.split || item?.example !== come.example) return;
      Object.assign(item, { caption: item.facts ? item.caption : come.caption, facts: item.facts || come.facts });
      fill();
    });
  }

  function makeDialog() {
    dialog = make("dialog", "sn-enlarge");
    dialog.setAttribute("aria-labelledby", "enlarge-caption");
    const figure = make("figure", ""), image = make("img"), caption = make("figcaption", ""), bar = make("div", "sn-enlarge-bar");
    caption.append(Object.assign(make("strong", ""), { id: "enlarge-caption" }), make("div", "sn-enlarge-facts"));
    const step = (by) => { index = (index + by + shown.length) % shown.length; fill(); };
    const before = button("sn-enlarge-before", "Previous picture", () => step(-1)), after = button("sn-enlarge-after", "Next picture", () => step(1));
    const close = button("sn-enlarge-close", "Close", () => dialog.close());
    before.textContent = "←"; after.textContent = "→"; close.textContent = "Close";
    bar.append(before, make("span", "sn-note sn-enlarge-at"), after, close);
    figure.append(image, caption);
    dialog.append(figure, bar);
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); step(event.key === "ArrowLeft" ? -1 : 1); }
      event.stopPropagation(); // Escape closes this only, and not what lies below
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => { if (opener?.isConnected) opener.focus({ preventScroll: true }); });
    (document.querySelector(".gradio-container") || document.body).append(dialog);
  }

  function fill() {
    const item = shown[index], image = dialog.querySelector("img"), key = `${item.split} ${item.example}`;
    image.alt = item.caption || "picture";
    const known = large.get(key) || item.large || item.src;
    if (known) image.src = known; else image.removeAttribute("src");
    dialog.querySelector("strong").textContent = item.caption || "";
    const told = (item.facts || []).map((fact) => make("p", "", fact));
    if (item.mark === "right" || item.mark === "wrong") told.push(make("p", `sn-enlarge-${item.mark}`, item.mark === "right" ? "✓ right" : "✕ wrong"));
    dialog.querySelector(".sn-enlarge-facts").replaceChildren(...told);
    dialog.querySelector(".sn-enlarge-at").textContent = `${index + 1} of ${shown.length}`;
    dialog.querySelectorAll(".sn-enlarge-before, .sn-enlarge-after").forEach((node) => { node.disabled = shown.length < 2; });
    if (item.split !== undefined && item.example !== undefined && !large.has(key)) askLarge?.({ split: item.split, example: item.example });
  }

  function enlarge(items, at = 0) {
    if (!items.length) return;
    if (!dialog?.isConnected) makeDialog();
    shown = items; index = at; opener = document.activeElement;
    large.clear();
    fill();
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(".sn-enlarge-close").focus({ preventScroll: true });
  }

  Object.assign(window.snViz, { selected, thumbs, heatmap, units, histogram, counts, strips, neighbours, enlarger, enlarge });
})();
