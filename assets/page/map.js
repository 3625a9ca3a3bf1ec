// The map of pictures: dots or pictures, lasso and box, and the table of what was chosen.
// Every text goes in through textContent, so a label or file name is never read as HTML.
(() => {
  "use strict";
  const dark = () => document.body.classList.contains("dark");
  const coarse = () => matchMedia("(pointer: coarse)").matches;

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const button = (text, act, label) => {
    const node = make("button", "sn-map-button", text);
    node.type = "button";
    if (label) node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    return node;
  };

  // What map, sheet and table know of each other: one map a page.
  const now = { value: null, sheet: null, image: null, chosen: new Set(), pictures: null, mode: null, redraw: () => {}, ask: () => {} };

  function choice(name, options, chosen, act) {
    const group = make("div", "sn-map-choice");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", name);
    options.forEach(([key, text, title, off]) => {
      const one = button(text, () => { group.querySelectorAll("button").forEach((each) => each.setAttribute("aria-pressed", String(each === one))); act(key); });
      one.dataset.key = key;
      one.title = title;
      one.disabled = Boolean(off);
      one.setAttribute("aria-pressed", String(key === chosen));
      group.append(one);
    });
    return group;
  }

  // The map: value is JSON text {light, dark, label, of, n_train, n, most}. A point's customdata is [example, "train" or "test"].
  function map(element, props, watch, pick, choose, ask) {
    const box = element.querySelector(".sn-plot"), canvas = element.querySelector("canvas"), bar = element.querySelector(".sn-map-bar");
    let bound = false, lastWidth = 0, revision = 0, seen = false;
    now.mode = coarse() ? "click" : "lasso";
    const row = (custom) => custom[0] + (custom[1] === "test" ? now.value.n_train : 0);
    const many = () => now.value && now.value.n > now.value.most;
    const asPictures = () => now.pictures !== false && now.value?.n && !many();

    const draw = snViz.inTime(box, () => drawNow());
    const tools = () => {
      if (!now.value?.n) { bar.replaceChildren(); return; }
      const off = many(), title = off ? `More than ${now.value.most} pictures are shown as dots` : "Every picture in its place";
      bar.replaceChildren(
        choice("Show", [["pictures", "Pictures", title, off], ["dots", "Dots", "Every picture as a dot", false]], asPictures() ? "pictures" : "dots",
          (key) => { now.pictures = key === "pictures"; want(); draw(); }),
        choice("Choose by", [["lasso", "Lasso", "Draw around pictures", false], ["select", "Box", "Draw a box", false], ["click", "Click", "Only click: dragging scrolls the page", false]], now.mode,
          (key) => { now.mode = key; draw(); }));
    };
    const want = () => { if (asPictures() && seen && now.sheet?.of !== now.value.of && now.asked !== now.value.of) { now.asked = now.value.of; ask(); } };

    const drawNow = () => {
      if (!box.isConnected || !now.value || box.offsetWidth < snViz.LEAST_WIDTH || !window.Plotly) return;
      lastWidth = box.offsetWidth;
      const figure = (dark() && now.value.dark) || now.value.light;
      const layout = { ...figure.layout, autosize: true, paper_bgcolor: "rgba(0,0,0,0)", selections: [], selectionrevision: ++revision,
        dragmode: now.value.n && now.mode !== "click" ? now.mode : false, newselection: { line: { color: getComputedStyle(box).color, width: 1.5, dash: "dot" } } };
      delete layout.width;
      const any = now.chosen.size > 0;
      const data = figure.data.map((trace) => (!trace.customdata ? trace : { ...trace,
        selectedpoints: any ? trace.customdata.flatMap((custom, i) => (now.chosen.has(row(custom)) ? [i] : [])) : null,
        selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 0.16 } } }));
      layout.height = snViz.roomy(layout);
      box.style.height = `${layout.height}px`;
      box.classList.toggle("sn-map-draws", Boolean(layout.dragmode));
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", `${now.value.label || "map"}. The table below lists the same pictures.`);
      snViz.drawn("react", box, data, layout, { doubleClick: false }).then(() => {
        paint();
        box.querySelectorAll(".outline-controllers, .select-outline").forEach((node) => node.remove());
        if (bound) return;
        bound = true;
        box.on("plotly_click", (event) => {
          const p = event.points[0];
          pick({ x: p.x, y: p.y, curve: p.curveNumber, point: p.pointNumber ?? p.pointIndex, custom: p.customdata ?? null });
        });
        box.on("plotly_selected", (event) => {
          if (!event || !event.points) return;
          if (!event.points.length && !event.range && !event.lassoPoints) return;
          now.chosen = new Set(event.points.filter((p) => p.customdata).map((p) => row(p.customdata)));
          choose(now.chosen.size ? { do: "rows", rows: [...now.chosen] } : { do: "none" });
          setTimeout(draw, 0);
        });
        box.on("plotly_doubleclick", () => { if (now.chosen.size) { now.chosen = new Set(); choose({ do: "none" }); draw(); } });
        box.on("plotly_afterplot", paint);
      });
    };

    // Pictures over their dots; a frame in the dot's colour (dashed: probing), a cross on what was answered wrong.
    function paint() {
      const full = box._fullLayout, context = canvas.getContext("2d"), ready = asPictures() && now.image && now.sheet?.of === now.value.of;
      canvas.style.display = ready ? "block" : "none";
      if (!ready || !full?.xaxis?.l2p) return;
      const ratio = devicePixelRatio || 1, width = box.offsetWidth, height = box.offsetHeight, side = width < 520 ? 22 : 30, half = side / 2;
      canvas.width = width * ratio; canvas.height = height * ratio;
      canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const { tile, columns } = now.sheet, ink = getComputedStyle(box).color, any = now.chosen.size > 0, wrong = new Set();
      const traces = box.data.filter((trace) => trace.customdata && trace.visible !== "legendonly" && trace.visible !== false);
      traces.forEach((trace) => { if (trace.meta === "wrong" || trace.marker.symbol?.[0] === "x") trace.customdata.forEach((custom) => wrong.add(row(custom))); });
      const draws = traces.filter((trace) => trace.meta !== "wrong").flatMap((trace) => trace.customdata.map((custom, i) => ({ custom, id: row(custom), x: trace.x[i], y: trace.y[i], colour: trace.marker.color })));
      draws.sort((a, b) => Number(now.chosen.has(a.id)) - Number(now.chosen.has(b.id)));
      draws.forEach(({ custom, id, x, y, colour }) => {
        const left = full.xaxis._offset + full.xaxis.l2p(x) - half, top = full.yaxis._offset + full.yaxis.l2p(y) - half, is = now.chosen.has(id);
        context.globalAlpha = any && !is ? 0.22 : 1;
        context.drawImage(now.image, (id % columns) * tile, Math.floor(id / columns) * tile, tile, tile, left, top, side, side);
        context.lineWidth = is ? 3 : 2;
        context.setLineDash(custom[1] === "train" ? [3, 3] : []);
        context.strokeStyle = colour;
        context.strokeRect(left, top, side, side);
        if (wrong.has(id)) {
          context.setLineDash([]);
          context.fillStyle = "rgba(13,17,26,.85)"; context.fillRect(left + side - 11, top - 3, 14, 14);
          context.strokeStyle = "#fff"; context.lineWidth = 2; context.beginPath();
          context.moveTo(left + side - 8, top); context.lineTo(left + side, top + 8); context.moveTo(left + side, top); context.lineTo(left + side - 8, top + 8); context.stroke();
        }
      });
      context.globalAlpha = 1;
      canvas.style.color = ink;
    }

    const take = () => {
      now.value = props.value ? JSON.parse(props.value) : null;
      box.classList.toggle("sn-plot-waiting", !now.value);
      if (now.value && !lastWidth) box.style.height = `${snViz.roomy(now.value.light.layout)}px`;
      tools(); want(); draw();
    };
    now.redraw = draw; now.paint = paint;
    snViz.onTurn(draw);
    new ResizeObserver(() => { if (box.offsetWidth && box.offsetWidth !== lastWidth) draw(); }).observe(box);
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) { seen = true; want(); } }, { rootMargin: "400px" }).observe(box);
    watch("value", take);
    const wait = () => (window.Plotly ? take() : setTimeout(wait, 60));
    wait();
  }

  // All pictures in one: value is {of, src, tile, columns}.
  function mapSheet(element, props, watch) {
    watch("value", () => {
      const value = props.value;
      if (!value?.src) return;
      const image = new Image();
      image.onload = () => { now.sheet = value; now.image = image; now.paint?.(); };
      image.src = value.src;
    });
  }

  // The clicked picture: value is that of pictures, with {large, at}: enlarged where the page can.
  function mapImage(element, props, watch) {
    snViz.pictures(element, props, watch, () => { if (props.value?.large) snViz.enlarge?.([props.value.large], 0); });
    let at = null;
    watch("value", () => {
      if (!props.value?.large || props.value.at === at) return;
      at = props.value.at;
      snViz.enlarge?.([props.value.large], 0);
    });
  }

  // The table: value is {title, note, said, classes, colours, tested, exit, all, page, pages, undo, chosen, rows, file}.
  function chosen(element, props, watch, act) {
    const box = element.querySelector(".sn-chosen");
    let said = "", at = null, kind = "wrong", to = null;

    const options = (select, entries, selected) => entries.forEach(([value, text]) => {
      const one = make("option", "", text);
      one.value = value;
      one.selected = value === selected;
      select.append(one);
    });
    const labelled = (text, select) => { const label = make("label", "sn-chosen-field"); label.append(make("span", "", text), select); select.setAttribute("aria-label", text); return label; };

    function choosing(value) {
      const line = make("div", "sn-chosen-bar"), select = make("select");
      const kinds = [...(value.tested ? [["wrong", "answered wrong"], ["right", "answered right"]] : []),
        ...value.classes.map((name, i) => [`class ${i}`, `all of “${name}”`]), ["test", "all test pictures"], ["train", "all probing pictures"], ["all", "all pictures"]];
      if (!kinds.some(([key]) => key === kind)) kind = kinds[0][0];
      options(select, kinds, kind);
      select.addEventListener("change", () => { kind = select.value; });
      line.append(labelled("Choose", select), button("Choose", () => act.choose(kind.startsWith("class ") ? { do: "class", name: value.classes[Number(kind.slice(6))] } : { do: kind }), "Choose these pictures"));
      if (value.chosen.length) {
        line.append(button("Choose none", () => act.choose({ do: "none" })));
        line.append(button(value.all ? "Show the chosen" : "Show all", () => act.choose({ do: "show", all: !value.all })));
      }
      return line;
    }

    function acting(value) {
      const line = make("div", "sn-chosen-bar"), any = value.chosen.length > 0, select = make("select");
      if (!value.classes.includes(to)) to = value.classes[0];
      options(select, value.classes.map((name) => [name, name]), to);
      select.addEventListener("change", () => { to = select.value; });
      const move = button("Move", () => act.edit({ do: "move", to }), "Move the chosen pictures to this class");
      const leave = button("Leave out", () => act.edit({ do: "leave" }), "Leave the chosen pictures out");
      const undo = button("Undo", () => act.edit({ do: "undo" }), "Undo the last change of the set");
      [select, move, leave].forEach((node) => { node.disabled = !any; });
      undo.disabled = !value.undo;
      line.append(labelled("Move the chosen to", select), move, leave, undo,
        button("CSV", () => act.keep({ kind: "csv" }), "Export as CSV: names and hashes"), button("JSON", () => act.keep({ kind: "json" }), "Export as JSON: names and hashes"));
      return line;
    }

    function cell(row, name, ...parts) { const td = make("td", `sn-chosen-${name}`); td.append(...parts.filter((part) => part !== null)); row.append(td); return td; }

    function line(value, item) {
      const row = make("tr"), tick = make("input");
      tick.type = "checkbox"; tick.checked = item.chosen;
      tick.setAttribute("aria-label", `Choose ${item.name}`);
      tick.addEventListener("change", () => act.choose({ do: "toggle", row: item.row }));
      cell(row, "tick", tick);
      const larger = make("button", "sn-chosen-picture"), image = make("img");
      larger.type = "button"; larger.setAttribute("aria-label", `Enlarge ${item.name}`);
      image.src = item.src; image.alt = "";
      larger.append(image);
      larger.addEventListener("click", () => act.pick({ row: item.row }));
      cell(row, "image", larger);
      cell(row, "name", make("span", "", item.name), item.question ? make("small", "", item.question) : null, make("small", "", item.part));
      const select = make("select");
      const label = item.pending || item.label;
      options(select, [...(value.classes.includes(label) ? [] : [[label, label]]), ...value.classes.map((name) => [name, name])], label);
      select.setAttribute("aria-label", `Label of ${item.name}`);
      select.disabled = item.pending === "";
      select.addEventListener("change", () => act.edit({ do: "move", rows: [item.row], to: select.value }));
      const soon = item.pending === "" ? "left out with the next Find" : item.pending !== null && item.pending !== item.label ? `was ${item.label}` : null;
      cell(row, "label", select, soon === null ? null : make("small", "sn-chosen-soon", soon));
      const vote = item.vote ? [make("span", `sn-chosen-sign sn-chosen-${item.right}`, item.right === null ? "" : item.right ? "✓" : "✕"), make("span", "", item.vote)] : [make("span", "sn-note", "–")];
      if (item.right !== null) vote[0].setAttribute("aria-label", item.right ? "right" : "wrong");
      if (item.right !== null) vote[0].setAttribute("role", "img");
      cell(row, "vote", ...vote);
      cell(row, "full", make("span", item.full ? "" : "sn-note", item.full || "–"));
      cell(row, "number", make("span", "", item.margin ?? "–"));
      cell(row, "number", make("span", "", item.settles || "–"));
      const race = button("Race", () => act.race({ row: item.row }), `Race ${item.name}`), leave = button("Leave out", () => act.edit({ do: "leave", rows: [item.row] }), `Leave ${item.name} out`);
      race.disabled = value.tested && item.part !== "test";
      leave.disabled = item.pending === "";
      cell(row, "acts", race, leave);
      if (item.pending === "") row.classList.add("sn-chosen-gone");
      if (item.chosen) row.classList.add("sn-chosen-is");
      return row;
    }

    const draw = () => {
      const value = props.value;
      const held = document.activeElement && box.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") || document.activeElement.textContent : null;
      if (!value?.rows) { box.replaceChildren(); return; }
      if (typeof value.said === "string") said = value.said;
      now.chosen = new Set(value.chosen); now.redraw();
      const head = make("header", "sn-chosen-head"), told = make("p", "sn-chosen-said", said);
      head.append(make("h4", "", value.title), make("span", "sn-note", value.note));
      told.setAttribute("role", "status");
      const frame = make("div", "sn-chosen-frame"), table = make("table"), top = make("tr"), body = make("tbody"), thead = make("thead");
      frame.tabIndex = 0; frame.setAttribute("role", "region"); frame.setAttribute("aria-label", value.title);
      [["", ""], ["Picture", ""], ["Name", "Test, or probing: the neurons were chosen on these, so their votes would say nothing", "name"], ["Label", "Another label counts with the next Find", "label"], ["Vote", `Of the super neurons at layer ${value.exit}, the run's exit`, "vote"],
        ["Full model", "What the whole model answers", "full"], ["Margin", "By how much the winning class leads the vote", "margin"], ["Settles at", "The first layer from which on the vote stays the same, to the deepest layer read", "settles"], ["", ""]]
        .forEach(([text, title, by]) => {
          const th = make(text ? "th" : "td", "", by ? undefined : text);
          if (text) th.scope = "col";
          if (title) th.title = title;
          if (by) {
            const is = value.by === by;
            const sort = button(`${text}${is ? (value.down ? " \u25be" : " \u25b4") : ""}`, () => act.choose({ do: "sort", by }), `Sort by ${text.toLowerCase()}`);
            sort.className = "sn-chosen-sort";
            th.setAttribute("aria-sort", is ? (value.down ? "descending" : "ascending") : "none");
            th.append(sort);
          }
          top.append(th);
        });
      thead.append(top);
      value.rows.forEach((item) => body.append(line(value, item)));
      table.append(thead, body);
      frame.append(table);
      const pager = make("div", "sn-chosen-bar sn-chosen-pager");
      if (value.pages > 1) {
        const before = button("Back", () => act.choose({ do: "page", page: value.page - 1 }), "Page before"), after = button("Next", () => act.choose({ do: "page", page: value.page + 1 }), "Next page");
        before.disabled = value.page === 0; after.disabled = value.page >= value.pages - 1;
        pager.append(before, make("span", "sn-note", `page ${value.page + 1} of ${value.pages}`), after);
      }
      box.replaceChildren(head, choosing(value), acting(value), told, frame, pager);
      if (held) [...box.querySelectorAll("button, select, input")].find((node) => (node.getAttribute("aria-label") || node.textContent) === held && !node.disabled)?.focus({ preventScroll: true });
      if (value.file && value.file.at !== at) { at = value.file.at; save(value.file); }
    };
    watch("value", draw);
    draw();
  }

  function save(file) {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([file.text], { type: file.type }));
    link.download = file.name;
    document.body.append(link); link.click(); link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  Object.assign(window.snViz, { map, mapSheet, mapImage, chosen });
})();
