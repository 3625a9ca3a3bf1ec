// The race in two lanes. It is sent once and replayed here, on one clock and one axis of time; every text goes in through textContent.
(() => {
  "use strict";
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const ms = (value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;
  const percent = (share) => `${Math.round(100 * share)} %`;
  const LONGEST_STEP_MS = 60; // while the browser is busy the replay waits, rather than leaping
  const at = (node, from, to) => { node.style.setProperty("--from", from); node.style.setProperty("--to", to); return node; };

  // Ticks of the axis of time: whole steps of 1, 2 or 5, at most six of them.
  function ticks(total) {
    const raw = total / 5, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
    return Array.from({ length: Math.floor(total / step) + 1 }, (_, i) => i * step);
  }

  // One lane: its name, a box for each block, and the answer at its end.
  function lane(value, kind, title) {
    const told = value[kind], ran = kind === "early" ? told.until.length : value.blocks.length;
    const row = make("div", `sn-lane sn-lane-${kind}`);
    row.append(make("span", "sn-lane-name", title));
    const boxes = value.blocks.map((block, i) => {
      const box = at(make("i", `sn-box${block.tower ? " sn-box-tower" : ""}${i < ran ? "" : " sn-box-unused"}`), i + 1, i + 2);
      box.title = i >= ran ? `block ${block.name}: does not run` : kind === "full" ? `block ${block.name} done at ${ms(told.until[i])}, in the full pass` : `block ${block.name}`;
      row.append(box);
      return box;
    });
    const answer = at(make("b", "sn-lane-answer"), ran + 1, -1);
    const sign = { right: "✓ ", wrong: "✕ " }[told.mark] || "";
    answer.append(make("span", `sn-lane-said sn-said-${told.mark}`, `${sign}${told.answer}`), make("span", "sn-lane-ms", ` · ${ms(told.ms)}`));
    row.append(answer);
    const show = (now) => {
      let before = 0;
      told.until.forEach((until, i) => {
        const share = until > before ? (now - before) / (until - before) : Number(now >= until);
        boxes[i].style.setProperty("--full", `${100 * Math.min(1, Math.max(0, share))}%`);
        before = until;
      });
      row.classList.toggle("sn-lane-done", now >= told.ms);
    };
    return { row, show };
  }

  // The one axis of time: a bar for each lane, which stops where its lane had answered.
  function clock(value) {
    const row = make("div", "sn-lane sn-clock"), axis = at(make("div", "sn-axis"), 1, value.blocks.length + 1);
    row.append(make("span", "sn-lane-name", "time"), axis);
    const bars = ["early", "full"].map((kind) => { const bar = make("i", `sn-time sn-time-${kind}`); axis.append(bar); return bar; });
    ticks(value.total).forEach((tick) => {
      const mark = make("span", `sn-tick${tick ? "" : " sn-tick-first"}${tick > 0.95 * value.total ? " sn-tick-last" : ""}`, tick ? String(+tick.toPrecision(3)) : "0");
      mark.style.left = `${100 * tick / value.total}%`;
      axis.append(mark);
    });
    row.append(at(make("span", "sn-unit", "milliseconds"), value.blocks.length + 1, -1));
    const show = (now) => ["early", "full"].forEach((kind, i) => { bars[i].style.width = `${100 * Math.min(now, value[kind].ms) / value.total}%`; });
    return { row, show };
  }

  // One small bar for each block, parted by class.
  function shares(value, title, of, className) {
    const row = make("div", `sn-lane sn-shares ${className}`);
    row.append(make("span", "sn-lane-name", title));
    value.blocks.forEach((block, i) => {
      const parts = of(block), bar = at(make("i", `sn-share${parts ? "" : " sn-share-none"}`), i + 1, i + 2);
      (parts || []).forEach((share, c) => {
        const part = make("i");
        part.style.setProperty("--sn-light", value.colours[c][0]);
        part.style.setProperty("--sn-dark", value.colours[c][1]);
        part.style.flexGrow = share;
        bar.append(part);
      });
      bar.title = parts ? `block ${block.name}: ${parts.map((share, c) => `${value.classes[c]} ${percent(share)}`).join(", ")}` : `block ${block.name}: none`;
      row.append(bar);
    });
    return row;
  }

  function numbers(value, title, of, className) {
    const row = make("div", `sn-lane sn-numbers ${className}`);
    row.append(make("span", "sn-lane-name", title));
    value.blocks.forEach((block, i) => row.append(at(make("span", "", of(block)), i + 1, i + 2)));
    return row;
  }

  function marks(value) {
    const n = value.blocks.length;
    return value.marks.map((mark) => {
      const row = make("div", "sn-lane sn-stop"), late = mark.row !== null && mark.row >= n / 2;
      const where = mark.row === null ? "the full model answers" : `block ${value.blocks[mark.row].name}`;
      const text = late ? at(make("span", "sn-stop-late"), 1, mark.row + 2) : at(make("span"), mark.row === null ? 1 : mark.row + 1, -1);
      const sign = make("b", "", mark.row === null ? "–" : "▲");
      text.append(...(late ? [`${mark.name}, ${where} `, sign] : [sign, ` ${mark.name}, ${where}`]));
      row.append(text);
      return row;
    });
  }

  function legend(value) {
    const row = make("p", "sn-legend");
    value.classes.forEach((name, c) => {
      const key = make("span", "sn-key");
      key.style.setProperty("--sn-light", value.colours[c][0]);
      key.style.setProperty("--sn-dark", value.colours[c][1]);
      row.append(key, make("span", "", name));
    });
    return row;
  }

  // The same as a table, for whoever reads rather than looks.
  function table(value) {
    const fold = make("details", "sn-lanes-table"), inner = make("table"), head = make("tr");
    fold.append(make("summary", "", "As a table"));
    const lens = value.blocks.some((block) => block.lens);
    ["block", "full pass done at", ...value.classes.map((name) => `vote: ${name}`), "margin", ...(lens ? value.classes.map((name) => `lens: ${name}`) : [])]
      .forEach((text) => { const cell = make("th", "", text); cell.scope = "col"; head.append(cell); });
    inner.append(head);
    value.blocks.forEach((block, i) => {
      const line = make("tr"), first = make("th", "", block.name);
      first.scope = "row";
      line.append(first, ...[ms(value.full.until[i]), ...block.votes.map(percent), percent(block.margin), ...(lens ? (block.lens || value.classes.map(() => null)).map((share) => share === null ? "–" : percent(share)) : [])].map((text) => make("td", "", text)));
      inner.append(line);
    });
    const scroll = make("div", "sn-scroll");
    scroll.append(inner);
    scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", "The race as a table");
    fold.append(scroll);
    return fold;
  }

  // Builds a race in ``box``; returns {play, rest}. ``brief`` leaves out what stands below the lanes.
  function build(box, value, brief, done) {
    const drawing = make("div", "sn-lanes-drawing");
    drawing.style.setProperty("--n", value.blocks.length);
    drawing.setAttribute("aria-hidden", "true");
    const parts = [lane(value, "early", "super neurons"), lane(value, "full", "full model"), clock(value)];
    drawing.append(...parts.map((part) => part.row));
    const foot = make("div", "sn-lanes-foot"), again = make("button", "sn-replay", "Replay");
    again.type = "button";
    foot.append(make("span", "sn-note", value.note), again);
    const heard = make("p", "sn-sr", value.text);
    if (!brief) {
      drawing.append(numbers(value, "block", (block) => block.name, "sn-block-names"));
      drawing.append(shares(value, "vote after it", (block) => block.votes, "sn-votes"));
      drawing.append(numbers(value, "margin", (block) => percent(block.margin).replace(" %", ""), "sn-margins"));
      if (value.blocks.some((block) => block.lens)) drawing.append(shares(value, "logit lens", (block) => block.lens, "sn-lens"));
      drawing.append(...marks(value));
      box.append(foot, heard, drawing, legend(value), make("p", "sn-note", value.small), table(value));
    } else box.append(drawing, heard, foot);
    let frame = 0;
    const show = (now) => parts.forEach((part) => part.show(now));
    const end = () => { cancelAnimationFrame(frame); show(value.total); box.classList.remove("sn-playing"); done(); };
    const play = () => {
      cancelAnimationFrame(frame);
      if (calm()) { end(); return; }
      box.classList.add("sn-playing");
      let last = 0, spent = 0;
      const step = (time) => {
        if (!box.isConnected) return;
        spent += last ? Math.min(time - last, LONGEST_STEP_MS) : 0;
        last = time;
        const now = value.total * spent / (1000 * value.seconds);
        if (now >= value.total) { end(); return; }
        show(now);
        frame = requestAnimationFrame(step);
      };
      show(0);
      frame = requestAnimationFrame(step);
    };
    again.addEventListener("click", (event) => { event.stopPropagation(); play(); });
    return { play, rest: () => { cancelAnimationFrame(frame); show(0); } };
  }

  // value is what sn_viz.ui.components.lanes.shown returns, or {empty: text}.
  function lanes(element, props, watch, done) {
    const box = element.querySelector(".sn-lanes"), scene = () => box.closest(".sn-race-show");
    let race = null;
    const draw = () => {
      race?.rest();
      box.replaceChildren();
      const value = props.value || {};
      if (!value.blocks) { race = null; scene()?.classList.remove("sn-racing"); if (value.empty) box.append(make("p", "sn-empty", value.empty)); return; }
      scene()?.classList.add("sn-racing");
      race = build(box, value, false, () => { scene()?.classList.remove("sn-racing"); done(); });
      race.play();
    };
    watch("value", draw);
    draw();
  }

  // What people land on: value is what sn_viz.ui.components.story.shown returns. A click goes on to the workbench; then it is one line.
  function tell(box, value) {
    const open = make("div", `sn-story-open${value.link ? "" : " sn-story-photograph"}`), line = make("button", "sn-story-line"), asked = new URLSearchParams(location.search);
    const words = make("div", "sn-story-words"), said = make("p", "sn-story-said"), figure = make("figure", "sn-story-picture");
    const image = make("img");
    image.src = value.picture; image.alt = value.alt;
    figure.append(image);
    if (value.credit) figure.append(make("figcaption", "sn-credit", value.credit));
    said.append(make("strong", "", value.lead), value.rest);
    const on = make("a", "sn-story-on", value.on);
    on.href = value.link || "#tab-neurons";
    words.append(said, make("p", "sn-note", value.luck), on);
    const middle = make("div", "sn-story-race"), strip = make("div", "sn-lanes");
    middle.append(make("h2", "sn-story-question", value.question), strip);
    open.append(figure, middle, words);
    const race = window.snViz.buildLanes(strip, value.race, true, () => {});
    line.type = "button";
    line.append(make("strong", "", value.question), make("span", "", ` ${value.lead}${value.rest}`), make("span", "sn-story-again", "Show the story"));

    const fold = (folded) => {
      box.classList.toggle("sn-story-folded", folded);
      open.hidden = folded; line.hidden = !folded;
      if (!folded) race.play(); else race.rest();
    };
    // Whether the workbench shows this very run already: then nothing has to be opened.
    const here = () => {
      const now = new URLSearchParams(location.search), theme = now.has("__theme");
      now.delete("__theme");
      if (![...now.keys()].length) return theme || !location.href.includes("?");
      return now.get("pack") === value.pack && (now.get("model") ?? value.model) === value.model && [null, "0", String(value.neuron)].includes(now.get("neuron")); // 0 while nothing was chosen yet
    };
    open.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (value.link && !here()) { location.assign(value.link); return; }
      fold(true);
      window.snViz.show("neurons");
    });
    line.addEventListener("click", () => fold(false));
    document.addEventListener("click", (event) => { if (event.target.closest?.("a[data-section=story]")) fold(false); });
    box.append(line, open);
    fold(elsewhere(asked));
  }

  // Whether the address asks for another part of the page.
  const elsewhere = (asked) => (asked.has("pack") || asked.has("tab")) && asked.get("tab") !== "story";

  // Gradio takes seconds to build the page. What people land on comes with the document itself, in the configuration, and is drawn at once.
  function first() {
    const place = document.getElementById("sn-first"), asked = new URLSearchParams(location.search), theme = asked.get("__theme");
    const sent = (id) => window.gradio_config?.components?.find((each) => each.props?.elem_id === id)?.props.value, value = sent("story");
    if (!place || !value || elsewhere(asked)) return;
    if (theme === "dark" || (theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches)) document.body.classList.add("dark");
    place.hidden = false;
    place.querySelector(".sn-top").innerHTML = sent("ways") ?? "";
    tell(place.querySelector(".sn-story"), value);
  }

  // Its own place is there: it moves in as it stands, its race running on.
  function story(element, props) {
    const box = element.querySelector(".sn-story"), place = document.getElementById("sn-first"), early = place?.querySelector(".sn-story");
    place?.remove();
    if (!early?.childElementCount) { if (props.value) tell(box, props.value); return; }
    box.replaceWith(early);
    if (early.classList.contains("sn-story-folded")) setTimeout(() => window.snViz.show("neurons"), 60);
  }

  Object.assign(window.snViz, { lanes, buildLanes: build, story });
  first();
})();
