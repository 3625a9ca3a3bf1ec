// The lesson: a rail beside the page (on a phone a sheet below it) whose steps ask for a guess, show what was measured, and bring
// people to the widgets of the workbench. Every text goes in through textContent.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const draw = (tag, attributes, text) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const act = (className, text, does) => {
    const node = make("button", className, text);
    node.type = "button";
    node.addEventListener("click", does);
    return node;
  };

  const state = { steps: [], recorded: {}, now: 0, guesses: {}, live: {}, open: false, folded: false, opening: "", box: null, trigger: null, from: null };
  const rail = () => document.getElementById("tab-learn");
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const small = () => matchMedia("(max-width: 1099px)").matches;

  // What the address asks for: a step from 1, and the mode for a projector.
  function asked() {
    const given = new URLSearchParams(location.search), step = given.get("learn") ?? "";
    return { step: /^[1-9]$/.test(step) ? Number(step) : 0, projector: given.get("projector") === "1" };
  }

  // The address keeps the step while the lesson is open.
  function keep(given) {
    if (state.open) given.set("learn", String(state.now + 1)); else given.delete("learn");
    if (document.body.classList.contains("sn-projector")) given.set("projector", "1"); else given.delete("projector");
  }
  function say() {
    const given = new URLSearchParams(location.search);
    keep(given);
    const query = given.toString();
    history.replaceState(null, "", location.pathname + (query ? `?${query}` : ""));
  }

  function open(step) {
    if (step) state.now = Math.min(step, state.steps.length || step) - 1;
    if (!state.open) state.from = document.activeElement;
    state.open = true; state.folded = false;
    document.body.classList.add("sn-learn-open");
    render(true); say();
    dispatchEvent(new Event("resize"));
  }

  function close() {
    state.open = false;
    document.body.classList.remove("sn-learn-open", "sn-learn-folded");
    document.querySelector('.sn-header nav a[data-section="learn"]')?.focus({ preventScroll: true });
    say();
    dispatchEvent(new Event("resize"));
  }

  function fold(folded) {
    state.folded = folded;
    document.body.classList.toggle("sn-learn-folded", folded);
    const button = state.box?.querySelector(".sn-learn-fold");
    if (button) { button.setAttribute("aria-expanded", String(!folded)); button.textContent = folded ? "Unfold" : "Fold"; }
  }

  function projector(on) {
    for (const root of [document.documentElement, document.body]) root.classList.toggle("sn-projector", on);
    state.box?.querySelector(".sn-learn-projector")?.setAttribute("aria-pressed", String(on));
    say();
    dispatchEvent(new Event("resize"));
  }

  function go(step) {
    if (step < 0 || step >= state.steps.length) return;
    state.now = step;
    render(true); say();
  }

  // The figures: bars, lines and lanes with intervals, a histogram with its threshold.
  function figure(told) {
    const holder = make("figure", "sn-learn-figure");
    const kinds = { bars, lines, lanes, histogram };
    holder.append(kinds[told.kind](told));
    holder.append(make("figcaption", "sn-note", told.caption));
    const more = make("details", "sn-learn-table");
    more.append(make("summary", "", "The same in numbers"), table(told));
    holder.append(more);
    return holder;
  }
  function table(told) {
    const holder = make("div", "sn-learn-scroll"), grid = make("table");
    holder.tabIndex = 0; holder.setAttribute("role", "region"); holder.setAttribute("aria-label", `Numbers: ${told.caption}`);
    const head = make("tr"), top = make("thead"), body = make("tbody");
    told.table.head.forEach((text) => { const cell = make("th", "", text); cell.scope = "col"; head.append(cell); });
    top.append(head);
    told.table.rows.forEach((row) => { const line = make("tr"); row.forEach((text) => line.append(make("td", "", text))); body.append(line); });
    grid.append(top, body);
    holder.append(grid);
    return holder;
  }
  const canvas = (told, width, height) => draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${told.caption} The numbers stand in the table below.`, class: "sn-learn-svg" });
  const percent = (value) => `${Math.round(100 * value)} %`;

  function lines(told) {
    const width = 400, height = 250, left = 42, right = 10, top = 12, bottom = 44, svg = canvas(told, width, height + 18 * Object.keys(told.tones).length);
    const places = [...new Set(told.rows.map((row) => row.at))].sort((a, b) => a - b);
    const x = (at) => left + (places.indexOf(at) + .5) / places.length * (width - left - right);
    const least = Math.min(...told.rows.map((row) => row.low), ...told.marks.map((mark) => mark.value)) < .38 ? 0 : .3;
    const y = (value) => top + (1 - (value - least) / (1 - least)) * (height - top - bottom);
    for (const tick of least ? [.4, .6, .8, 1] : [0, .25, .5, .75, 1]) {
      svg.append(draw("line", { x1: left, x2: width - right, y1: y(tick), y2: y(tick), class: "sn-l-grid" }), draw("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, percent(tick)));
    }
    places.forEach((at) => svg.append(draw("text", { x: x(at), y: height - bottom + 18, "text-anchor": "middle" }, at)));
    svg.append(draw("text", { x: (left + width - right) / 2, y: height - bottom + 36, "text-anchor": "middle" }, told.axis));
    told.marks.forEach((mark) => {
      svg.append(draw("line", { x1: left, x2: width - right, y1: y(mark.value), y2: y(mark.value), class: `sn-l-mark${mark.text === "full model" ? " sn-l-full" : ""}` }),
        draw("text", { x: width - right, y: y(mark.value) + (mark.text === "full model" ? 15 : -5), "text-anchor": "end", class: "sn-l-word" }, mark.text));
    });
    Object.entries(told.tones).forEach(([name, tone], s) => {
      const rows = told.rows.filter((row) => row.series === name), group = draw("g", { class: `sn-l-${tone} sn-l-dash${s}` });
      group.append(draw("polyline", { points: rows.map((row) => `${x(row.at)},${y(row.value)}`).join(" "), class: "sn-l-line" }));
      rows.forEach((row) => {
        const at = x(row.at) + (s ? 3 : -3) * (Object.keys(told.tones).length > 1);
        group.append(draw("line", { x1: at, x2: at, y1: y(row.low), y2: y(row.high), class: "sn-l-range" }));
        group.append(s ? draw("rect", { x: at - 4, y: y(row.value) - 4, width: 8, height: 8 }) : draw("circle", { cx: at, cy: y(row.value), r: 4.5 }));
      });
      const low = height + 4 + 18 * s;
      group.append(s ? draw("rect", { x: left - 4, y: low - 4, width: 8, height: 8 }) : draw("circle", { cx: left, cy: low, r: 4.5 }));
      svg.append(group, draw("text", { x: left + 12, y: low + 4 }, name));
    });
    return svg;
  }

  function bars(told) {
    const each = 46, width = 400, top = told.marks.length ? 26 : 8, height = top + each * told.rows.length + 24, svg = canvas(told, width, height), right = 10;
    const most = Math.max(.2, Math.min(1, 1.15 * Math.max(...told.rows.map((row) => row.high), ...told.marks.map((mark) => mark.value))));
    const x = (value) => 4 + value / most * (width - right - 4);
    for (const tick of [0, .25, .5, .75, 1]) {
      svg.append(draw("line", { x1: x(tick * most), x2: x(tick * most), y1: top, y2: height - 20, class: "sn-l-grid" }),
        draw("text", { x: x(tick * most), y: height - 5, "text-anchor": tick === 1 ? "end" : tick ? "middle" : "start" }, percent(tick * most)));
    }
    told.rows.forEach((row, i) => {
      const up = top + i * each, group = draw("g", { class: `sn-l-${told.tones[row.series]}` });
      const name = row.series && !row.label.startsWith(row.series) ? `${row.series}, ${row.label}` : row.label;
      group.append(draw("rect", { x: x(0), y: up + 20, width: Math.max(1, x(row.value) - x(0)), height: 16, class: "sn-l-bar" }),
        draw("line", { x1: x(row.low), x2: x(row.high), y1: up + 28, y2: up + 28, class: "sn-l-over" }));
      for (const end of [row.low, row.high]) group.append(draw("line", { x1: x(end), x2: x(end), y1: up + 23, y2: up + 33, class: "sn-l-over" }));
      svg.append(group, draw("text", { x: x(0), y: up + 15 }, name));
    });
    told.marks.forEach((mark) => svg.append(draw("line", { x1: x(mark.value), x2: x(mark.value), y1: top - 8, y2: height - 20, class: "sn-l-mark" }),
      draw("text", { x: x(mark.value), y: top - 12, "text-anchor": mark.value > most / 2 ? "end" : "start", class: "sn-l-word" }, `${mark.text} ${percent(mark.value)}`)));
    return svg;
  }

  function lanes(told) {
    const width = 400, svg = canvas(told, width, 62 * told.lanes.length);
    told.lanes.forEach((lane, i) => {
      const up = 62 * i, each = 392 / lane.of, group = draw("g", { class: i ? "sn-l-full" : "sn-l-super" });
      for (let block = 0; block < lane.of; block += 1) {
        group.append(draw("rect", { x: 4 + block * each, y: up + 24, width: each - 4, height: 24, rx: 4, class: block < lane.blocks ? "sn-l-ran" : "sn-l-spared" }));
      }
      svg.append(group, draw("text", { x: 4, y: up + 17 }, `${lane.name}: ${lane.blocks} of ${lane.of} blocks`));
    });
    return svg;
  }

  function histogram(told) {
    const width = 400, height = 200, bottom = 26, top = 40, svg = canvas(told, width, height), edges = told.edges, n = edges.length - 1;
    const most = Math.max(...told.series.flatMap((each) => each.counts)), left = 4, wide = (width - 8) / n;
    const x = (value) => left + (value - edges[0]) / (edges[n] - edges[0]) * (width - 8);
    told.series.forEach((each, s) => {
      const group = draw("g", { class: `sn-l-class sn-l-hatch${s}`, style: `--sn-light: ${each.colour[0]}; --sn-dark: ${each.colour[1]}` });
      each.counts.forEach((count, i) => {
        const tall = count / most * (height - bottom - top);
        if (count) group.append(draw("rect", { x: left + i * wide + (s ? wide / 2 : 1), y: height - bottom - tall, width: wide / 2 - 1, height: tall }));
      });
      group.append(draw("rect", { x: 6 + 190 * s, y: 4, width: 12, height: 12 }));
      svg.append(group, draw("text", { x: 24 + 190 * s, y: 15 }, `pictures of “${each.name}”`));
    });
    const at = x(told.line);
    svg.append(draw("line", { x1: at, x2: at, y1: 24, y2: height - bottom, class: "sn-l-mark" }),
      draw("text", { x: at > width / 2 ? at - 5 : at + 5, y: 34, "text-anchor": at > width / 2 ? "end" : "start", class: "sn-l-word" }, told.says),
      draw("text", { x: left, y: height - 8 }, String(edges[0])), draw("text", { x: width - 4, y: height - 8, "text-anchor": "end" }, String(edges[n])));
    return svg;
  }

  // One step.
  function body(step) {
    const holder = make("div", "sn-learn-body"), told = state.guesses[step.key];
    const title = make("h2", "sn-h2 sn-learn-title", step.title);
    title.tabIndex = -1;
    holder.append(title, make("p", "", step.setting));
    const asks = make("p", "sn-learn-question", step.question);
    asks.id = "learn-question";
    const options = make("div", "sn-learn-options");
    options.setAttribute("role", "group"); options.setAttribute("aria-labelledby", "learn-question");
    step.options.forEach((option, i) => {
      const chosen = told === i, mark = told === undefined ? "" : option.right ? "✓ " : chosen ? "✕ " : "";
      const node = act(`sn-learn-option${chosen ? " sn-chosen" : ""}${mark === "✓ " ? " sn-right" : ""}`, mark + option.text, () => { state.guesses[step.key] = i; render(false, true); });
      node.setAttribute("aria-pressed", String(chosen));
      options.append(node);
    });
    holder.append(asks, options);
    if (told === undefined) {
      holder.append(act("sn-learn-quiet", "Show it without a guess", () => { state.guesses[step.key] = -1; render(false, true); }));
      return holder;
    }
    const seen = make("div", "sn-learn-reveal"), right = step.options.find((option) => option.right);
    seen.tabIndex = -1;
    const said = told < 0 ? "Measured" : step.options[told].right ? "✓ As you guessed" : `✕ Not as you guessed; it is: ${right ? right.text : "none of these"}`;
    seen.append(make("h3", "sn-learn-verdict", said), make("p", "", step.reveal), figure(step.figure));
    seen.append(make("p", "sn-note", `Recorded on ${state.recorded.on} with the model ${state.recorded.model}: always the same numbers. Intervals hold the true value in 95 of 100 such measurements.`));
    seen.append(make("p", "sn-learn-so", step.so));
    holder.append(seen, make("h3", "sn-learn-small", "Now look in the workbench"));
    const looks = make("ol", "sn-learn-looks");
    step.looks.forEach((look) => {
      const item = make("li"), link = make("a", "", look.text);
      link.href = look.query;
      link.addEventListener("click", (event) => { event.preventDefault(); take(step, look); });
      item.append(link);
      looks.append(item);
    });
    holder.append(looks);
    const busy = make("p", "sn-note sn-learn-busy", state.opening);
    busy.setAttribute("role", "status");
    holder.append(busy);
    if (state.live[step.key]) holder.append(make("p", "sn-learn-live", state.live[step.key]));
    holder.append(make("h3", "sn-learn-small", "Talk about it"), make("p", "", step.discuss));
    return holder;
  }

  // Brings people to a place in the workbench, on the step's pack, and presses what is to be pressed.
  function take(step, look) {
    if (small()) fold(true);
    if (look.own) { window.snViz.show("examples"); document.querySelector(`#${look.at} button, button#${look.at}, [id="${look.at}-button"]`)?.click(); setTimeout(() => point(look.at), 400); return; }
    waiting = { tab: look.tab, at: look.at, press: look.press, asked: String(Date.now()) };
    state.opening = `Opening “${step.pack}” in the workbench.`;
    state.box.querySelector(".sn-learn-busy")?.replaceChildren(state.opening);
    state.trigger(`${look.query}&asked=${waiting.asked}`);
  }
  let waiting = null;
  // A run that was asked for before, as by the page when it opened, may come after the click: only the click's own is waited for.
  function arrived(asked) {
    if (!waiting || waiting.asked !== asked) return;
    state.opening = "";
    state.box?.querySelector(".sn-learn-busy")?.replaceChildren("");
    const { tab, at, press } = waiting;
    waiting = null;
    window.snViz.show(tab);
    setTimeout(() => {
      point(at);
      const button = press && document.getElementById(press);
      if (button && !button.disabled) button.click();
    }, 500);
  }
  function point(at) {
    const target = document.getElementById(at);
    if (!target) return;
    target.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "center" });
    target.classList.add("sn-pointed");
    setTimeout(() => target.classList.remove("sn-pointed"), 4000);
  }

  function head() {
    const top = make("div", "sn-learn-head");
    const step = state.steps[state.now], minutes = state.steps.reduce((sum, each) => sum + each.minutes, 0);
    top.append(make("p", "sn-learn-where", `Learn · step ${state.now + 1} of ${state.steps.length} · about ${step.minutes} of ${minutes} minutes`));
    const folds = act("sn-learn-quiet sn-learn-fold", state.folded ? "Unfold" : "Fold", () => fold(!state.folded));
    folds.setAttribute("aria-expanded", String(!state.folded)); folds.setAttribute("aria-controls", "learn-body");
    const closes = act("sn-learn-quiet sn-learn-close", "Close", close);
    const steps = make("ol", "sn-learn-steps");
    state.steps.forEach((each, i) => {
      const item = make("li"), node = act("", String(i + 1), () => go(i));
      node.setAttribute("aria-label", `Step ${i + 1}: ${each.title}${each.key in state.guesses ? ", done" : ""}`);
      node.title = each.title;
      if (i === state.now) node.setAttribute("aria-current", "step");
      if (each.key in state.guesses) node.classList.add("sn-done");
      item.append(node);
      steps.append(item);
    });
    const ways = make("nav", "sn-learn-ways");
    ways.setAttribute("aria-label", "Steps of the lesson");
    ways.append(steps);
    const buttons = make("div", "sn-learn-corner");
    buttons.append(folds, closes);
    top.append(buttons, ways);
    return top;
  }

  function foot() {
    const low = make("div", "sn-learn-foot");
    const back = act("sn-learn-step", "Back", () => go(state.now - 1)), on = act("sn-learn-step sn-learn-next", "Next", () => go(state.now + 1));
    back.disabled = state.now === 0; on.disabled = state.now === state.steps.length - 1;
    const more = make("details", "sn-learn-teacher");
    more.append(make("summary", "", "For teachers"));
    const beam = act("sn-learn-quiet sn-learn-projector", "Projector (P)", () => projector(!document.body.classList.contains("sn-projector")));
    beam.setAttribute("aria-pressed", String(document.body.classList.contains("sn-projector")));
    const link = act("sn-learn-quiet", "Copy the link to this step and set", async () => {
      const given = new URLSearchParams(location.search);
      keep(given);
      await window.snViz.copy(`?${given}`);
      link.textContent = "Link copied";
      setTimeout(() => { link.textContent = "Copy the link to this step and set"; }, 3000);
    });
    more.append(beam, link, act("sn-learn-quiet", "Print the questions", () => print(false)), act("sn-learn-quiet", "Print the answers", () => print(true)));
    low.append(back, on, more);
    return low;
  }

  function render(focus, revealed) {
    const box = state.box;
    if (!box) return;
    if (!state.steps.length) { box.replaceChildren(make("p", "sn-empty", "The lesson could not be loaded. Reload the page.")); return; }
    const step = state.steps[state.now], inside = body(step), at = revealed ? box.querySelector(".sn-learn-body")?.scrollTop : 0;
    inside.id = "learn-body";
    box.replaceChildren(head(), inside, foot());
    inside.scrollTop = at || 0;
    window.snViz.terms?.mark(inside);
    fold(state.folded);
    if (revealed) {
      const seen = box.querySelector(".sn-learn-reveal");
      seen?.focus({ preventScroll: true });
      seen?.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "nearest" });
    } else if (focus && state.open) box.querySelector(".sn-learn-title")?.focus({ preventScroll: true });
  }

  // The sheet: every question with boxes to tick; the answers begin a new page.
  function print(answers) {
    document.getElementById("sn-sheet")?.remove();
    const sheet = make("section", "");
    sheet.id = "sn-sheet";
    sheet.append(make("h1", "", answers ? "Super neurons: answers" : "Super neurons: guess first, then look"));
    if (!answers) sheet.append(make("p", "", "Name: ______________________    Date: ______________"));
    state.steps.forEach((step) => {
      const part = make("section"), list = make("ul");
      part.append(make("h2", "", `${step.number}. ${step.title}`));
      if (!answers) part.append(make("p", "", step.setting));
      part.append(make("p", "sn-sheet-question", step.question));
      step.options.forEach((option) => list.append(make("li", "", `${answers && option.right ? "☒" : "☐"} ${option.text}`)));
      part.append(list);
      if (answers) part.append(make("p", "", step.reveal), table(step.figure), make("p", "", step.so));
      part.append(make("p", "sn-sheet-question", step.discuss));
      if (answers) part.append(make("p", "", step.answer)); else part.append(make("p", "sn-sheet-line", ""), make("p", "sn-sheet-line", ""));
      sheet.append(part);
    });
    sheet.append(make("p", "", `Recorded on ${state.recorded.on} with the model ${state.recorded.model}.`));
    document.body.append(sheet);
    document.body.classList.add("sn-printing");
    addEventListener("afterprint", () => { document.body.classList.remove("sn-printing"); sheet.remove(); }, { once: true });
    window.print();
  }

  document.addEventListener("keydown", (event) => {
    if (!state.open || !rail()?.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select")) return;
    const does = {
      ArrowRight: () => go(state.now + 1), ArrowLeft: () => go(state.now - 1), Home: () => go(0), End: () => go(state.steps.length - 1),
      Escape: close, p: () => projector(!document.body.classList.contains("sn-projector")),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (does && !(event.target.closest(".sn-learn-scroll") && event.key.startsWith("Arrow"))) { event.preventDefault(); does(); }
  });

  // The rail: value is {recorded: {on, model}, steps: [...]}; ``trigger`` opens the query of a link in the workbench.
  function learn(element, props, watch, trigger) {
    state.box = element.querySelector(".sn-learn");
    state.trigger = trigger;
    const take = () => {
      state.steps = props.value?.steps ?? [];
      state.recorded = props.value?.recorded ?? {};
      state.now = Math.min(state.now, Math.max(0, state.steps.length - 1));
      render(false);
    };
    watch("value", take);
    take();
    const first = asked();
    if (first.projector) projector(true);
    if (first.step) open(first.step);
  }

  // What the run in the workbench says: value is {at, asked, lines: {step: text}}.
  function learnLive(element, props, watch) {
    watch("value", () => {
      state.live = props.value?.lines ?? {};
      arrived(props.value?.asked);
      if (!state.box || !state.steps.length) return;
      const step = state.steps[state.now], there = state.box.querySelector(".sn-learn-live");
      if (there && state.live[step.key]) there.textContent = state.live[step.key];
      else if (step.key in state.guesses) { const focused = state.box.contains(document.activeElement); if (!focused) render(false); }
    });
  }

  window.snViz.panels.learn = () => open(asked().step || state.now + 1);
  window.snViz.kept.push(keep);
  Object.assign(window.snViz, { learn, learnLive, projector });
})();
