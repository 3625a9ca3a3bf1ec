// Draws what the server sends: figures, picture grids, cards and the status line.
// Every text goes in through textContent, so a label or file name is never read as HTML.
(() => {
  "use strict";
  const dark = () => document.body.classList.contains("dark");

  // Draws `now` whenever light turns to dark or back; other classes of the body (an open drawer, an old result) change no figure.
  function onTurn(now) {
    let was = dark();
    new MutationObserver(() => { if (dark() !== was) { was = dark(); now(); } }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  }

  // Returns a function that draws once `box` is within a window's height of what is seen, or is printed: a page of twenty figures
  // takes no longer to open than the two at its top.
  function inTime(box, draw) {
    let near = false, due = false;
    const come = (is) => { near = is; if (near && due) { due = false; draw(); } };
    new IntersectionObserver((entries) => come(entries[entries.length - 1].isIntersecting), { rootMargin: "100% 0px" }).observe(box);
    addEventListener("beforeprint", () => come(true));
    return () => { due = !near; if (near) draw(); };
  }

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };

  const button = (className, label, act) => {
    const node = make("button", className);
    node.type = "button";
    node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    return node;
  };

  // Plotly fails where margins leave no room: a figure in a column that is still being laid out, or one of very few rows.
  const LEAST_WIDTH = 160;
  const roomy = (layout) => Math.max(layout.height || 360, (layout.margin?.t ?? 48) + (layout.margin?.b ?? 8) + 100);

  // Draws with Plotly as if the page had no base address. With one, Plotly names its gradients and clips by the whole address of the
  // page, which changes with every selection: colour bars would lose their colours.
  function drawn(how, box, data, layout, more = {}) {
    const base = document.querySelector("base[href]"), href = base?.getAttribute("href");
    base?.removeAttribute("href");
    try {
      return window.Plotly[how](box, data, layout, { displayModeBar: false, responsive: true, scrollZoom: false, ...more });
    } finally {
      base?.setAttribute("href", href);
    }
  }

  // A figure: value is JSON text {light, dark, empty, label}. Others may change its layout before, and add to it after, each drawing.
  function plot(element, props, watch, pick, { before = () => {}, after = () => {} } = {}) {
    const box = element.querySelector(".sn-plot");
    let bound = false, lastWidth = 0, lastHeight = 0;
    const draw = () => {
      const value = props.value ? JSON.parse(props.value) : null;
      if (!box.isConnected || !value || box.offsetWidth < LEAST_WIDTH || !window.Plotly) return;
      lastWidth = box.offsetWidth;
      const figure = (dark() && value.dark) || value.light;
      const clear = "rgba(0,0,0,0)";
      const layout = { ...figure.layout, autosize: true, paper_bgcolor: clear };
      delete layout.width;
      before(layout, value, figure);
      layout.height = roomy(layout);
      box.style.height = `${layout.height}px`;
      const anew = lastHeight && lastHeight !== layout.height; // react keeps the old margins for a moment, which may be more than all
      lastHeight = layout.height;
      if (anew) bound = false;
      drawn(anew ? "newPlot" : "react", box, figure.data, layout).then(() => {
        after(box, value);
        if (bound) return;
        bound = true;
        box.on("plotly_click", (event) => {
          const p = event.points[0];
          pick({ x: p.x, y: p.y, curve: p.curveNumber, point: p.pointNumber ?? p.pointIndex, custom: p.customdata ?? null });
        });
      });
    };
    const soon = inTime(box, draw);
    // What is not near yet has its place and its words: nothing jumps when it is drawn, and it can be read without being seen.
    const take = () => {
      const value = props.value ? JSON.parse(props.value) : null;
      box.classList.toggle("sn-plot-waiting", !value);
      if (value) {
        if (!lastHeight) box.style.height = `${roomy(value.light.layout)}px`;
        box.setAttribute("role", "img");
        box.setAttribute("aria-label", value.label || "figure");
      }
      soon();
    };
    onTurn(soon);
    new ResizeObserver(() => { if (box.offsetWidth && box.offsetWidth !== lastWidth) soon(); }).observe(box);
    watch("value", take);
    const wait = () => (window.Plotly ? take() : setTimeout(wait, 60));
    wait();
  }

  // Pictures: value is {groups: [{title, note, tone, more, pages, items: [{src, caption, mark, badge}]}], empty}.
  function pictures(element, props, watch, pick) {
    const box = element.querySelector(".sn-pictures");
    const draw = () => {
      const value = props.value || {};
      const groups = value.groups || [];
      box.replaceChildren();
      if (!groups.length) { box.append(make("p", "sn-empty", value.empty || "")); return; }
      groups.forEach((group, g) => {
        const section = make("section", "sn-group");
        if (group.colour) {
          section.classList.add("sn-coloured");
          section.style.setProperty("--sn-light", group.colour[0]);
          section.style.setProperty("--sn-dark", group.colour[1]);
        }
        const head = make("header", "sn-group-head");
        if (group.title) head.append(make("h4", "", group.title), make("span", "sn-note", group.note || ""));
        const grid = make("div", "sn-grid");
        group.items.forEach((item, i) => {
          const tile = button(`sn-tile sn-mark-${item.mark || "none"}`, (item.mark === "wrong" ? "answered wrong: " : "") + (item.caption || "image"), () => pick({ group: g, item: i }));
          tile.title = item.caption || "";
          if (item.mark === "picked") tile.setAttribute("aria-current", "true");
          const image = make("img");
          image.src = item.src; image.alt = item.caption || ""; image.loading = "lazy";
          tile.append(image);
          if (item.mark === "right" || item.mark === "wrong") tile.append(make("span", "sn-mark-sign", item.mark === "right" ? "✓" : "✕"));
          if (item.badge) tile.append(make("span", "sn-badge", item.badge));
          grid.append(tile);
        });
        if (group.more && group.pages) {
          const more = button("sn-more", `Show more of the ${group.more} other images`, () => pick({ group: g, more: true }));
          more.textContent = `+${group.more}`;
          grid.append(more);
        } else if (group.more) grid.append(make("span", "sn-more", `+${group.more}`));
        section.append(head, grid);
        box.append(section);
      });
    };
    watch("value", draw);
    draw();
  }

  // Cards: value is {cards: [{name, title, question, images: [src], chosen, credit}]}.
  function cards(element, props, watch, pick) {
    const box = element.querySelector(".sn-cards");
    const draw = () => {
      box.replaceChildren();
      ((props.value || {}).cards || []).forEach((card) => {
        const node = button(`sn-card${card.chosen ? " sn-chosen" : ""}`, card.title, () => {
          box.querySelectorAll(".sn-card").forEach((other) => other.classList.toggle("sn-chosen", other === node));
          pick({ name: card.name });
        });
        node.dataset.name = card.name;
        const strip = make("div", "sn-strip");
        card.images.forEach((src) => { const image = make("img"); image.src = src; image.alt = ""; strip.append(image); });
        node.append(strip, make("strong", "", card.title), make("span", "", card.question));
        if (card.credit) node.append(make("small", "sn-credit", card.credit));
        box.append(node);
      });
    };
    watch("value", draw);
    draw();
  }

  // The status line: value is {text, detail, fraction, tone}.
  function status(element, props, watch) {
    const box = element.querySelector(".sn-status");
    const draw = () => {
      const value = props.value || {};
      if (box.dataset.tone === "busy" && value.tone === "done") drawer(false);
      box.dataset.tone = value.tone || "idle";
      box.setAttribute("role", "status");
      const line = make("div", "sn-status-line");
      line.append(make("span", "sn-dot"), make("strong", "", value.text || ""), make("span", "sn-note", value.detail || ""));
      box.replaceChildren(line);
      if (value.fraction !== undefined && value.fraction !== null) {
        const bar = make("div", "sn-bar"), fill = make("i");
        fill.style.width = `${Math.round(100 * value.fraction)}%`;
        bar.append(fill);
        box.append(bar);
      }
    };
    watch("value", draw);
    draw();
  }

  // Facts: value is {title, note, verdict: {kind, text}, facts: [{label, value, note, tone}], warnings: [text]}.
  function facts(element, props, watch) {
    const box = element.querySelector(".sn-facts");
    const draw = () => {
      const value = props.value || {};
      box.replaceChildren();
      if (value.title) box.append(make("h3", "sn-facts-title", value.title));
      if (value.note) box.append(make("p", "sn-note", value.note));
      if (value.verdict) {
        const mark = make("p", `sn-verdict sn-verdict-${value.verdict.kind.replace(" ", "-")}`);
        const sign = make("span", "sn-verdict-sign");
        sign.setAttribute("aria-hidden", "true");
        mark.append(sign, make("span", "", value.verdict.text));
        box.append(mark);
      }
      if ((value.facts || []).length) {
        const row = make("div", "sn-fact-row");
        value.facts.forEach((fact) => {
          const node = make("div", `sn-fact sn-tone-${fact.tone ?? "none"}`);
          node.append(make("span", "sn-fact-label", fact.label), make("b", "", fact.value), make("span", "sn-note", fact.note || ""));
          row.append(node);
        });
        box.append(row);
      }
      const told = (value.warnings || []).map((text) => make("p", "sn-warning", text));
      box.append(...told.slice(0, 3));
      if (told.length > 3) {
        const more = make("details", "sn-more-warnings");
        more.append(make("summary", "", `${told.length - 3} more to know before you trust this`), ...told.slice(3));
        box.append(more);
      }
    };
    watch("value", draw);
    draw();
  }

  // The mark of old results: value is {title, text}; while it says something, strip and figures wear a tag.
  function stale(element, props, watch) {
    const box = element.querySelector(".sn-stale-mark");
    const draw = () => {
      const value = props.value || {};
      document.body.classList.toggle("sn-stale", Boolean(value.title));
      box.replaceChildren();
      if (value.title) box.append(make("strong", "", `${value.title}. `), make("span", "", value.text || ""));
    };
    watch("value", draw);
    draw();
  }

  // Getting about: sections by name, and the drawer of pictures.
  const sectionElement = (name) => document.getElementById(`tab-${name}`);
  const panels = {};  // sections that lie beside the others and open by a function of their own
  const sections = () => [...document.querySelectorAll(".sn-header nav a")].map((link) => link.dataset.section).filter((name) => !panels[name]);
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  function drawer(open) {
    const box = sectionElement("examples");
    if (!box || open === document.body.classList.contains("sn-drawer-open")) return;
    document.body.classList.toggle("sn-drawer-open", open);
    document.getElementById("btn-data")?.setAttribute("aria-expanded", String(open));
    if (open) { document.getElementById("drawer-title")?.focus({ preventScroll: true }); document.getElementById("workbench")?.scrollIntoView({ block: "start" }); }
    else { document.getElementById("btn-data")?.focus({ preventScroll: true }); }
    markSection();
  }

  function show(name) {
    if (name === "examples") { drawer(true); return; }
    if (panels[name]) { panels[name](); return; }
    sectionElement(name)?.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
  }

  // Moves the page as little as needed for the head of an element to be seen below the header.
  function inSight(id) {
    const box = document.getElementById(id)?.getBoundingClientRect(), top = document.getElementById("top")?.offsetHeight ?? 0;
    if (!box || (box.top >= top && box.top < 0.6 * innerHeight)) return;
    scrollBy({ top: box.top - top - 12, behavior: calm() ? "auto" : "smooth" });
  }

  // The section that stands at the top of the window; "examples" where that is the open drawer.
  function section() {
    const line = 0.35 * innerHeight, above = sections().filter((name) => (sectionElement(name)?.getBoundingClientRect().top ?? Infinity) <= line);
    return above[above.length - 1] ?? (document.body.classList.contains("sn-drawer-open") ? "examples" : sections()[0]) ?? "";
  }

  function markSection() {
    const now = section();
    document.querySelectorAll(".sn-header nav a").forEach((link) => {
      if (link.dataset.section === now) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-section]");
    if (link) { event.preventDefault(); show(link.dataset.section); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.(".sn-drawer") && !document.querySelector("[role=listbox], .preview")) drawer(false);
  });
  addEventListener("scroll", () => requestAnimationFrame(markSection), { passive: true });

  // Brings people to a section: value is {section, at}.
  function go(element, props, watch) {
    const move = () => { if (props.value?.section) setTimeout(() => show(props.value.section), 60); };
    watch("value", move);
    move(); markSection();
  }

  // What else a link says, by the parts of the page that know: functions that change its parameters.
  const kept = [];
  function whole(query) {
    const given = new URLSearchParams(query);
    kept.forEach((keep) => keep(given));
    return `?${given}`;
  }

  // The browser's address: value is the query of a link, or nothing yet.
  function address(element, props, watch) {
    watch("value", () => { if (typeof props.value === "string") history.replaceState(null, "", location.pathname + whole(props.value)); });
  }

  async function copy(query) {
    const text = whole(query);
    const link = new URL(text, document.baseURI.split(/[?#]/)[0]).href;
    try { await navigator.clipboard.writeText(link); } catch (refused) {
      const field = make("textarea"); field.value = link; document.body.append(field); field.select();
      document.execCommand("copy"); field.remove();
    }
    return link;
  }

  window.snViz = { LEAST_WIDTH, roomy, onTurn, inTime, drawn, panels, kept, make, button, calm, plot, pictures, cards, status, facts, stale, copy, go, address, drawer, show, section, inSight };
})();
