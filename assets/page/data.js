// Class cards: one a class, with its name, what the model says for it, and its pictures. Pictures come by drop, paste, files,
// folders and the webcam; what is large is sent in batches with one bar, a failed batch again, and a stop that keeps what came.
// One action is sent at a time and the server's answer awaited, so that no two of them meet. Every text goes in by textContent.
(() => {
  "use strict";
  const MB = 2 ** 20, WAIT_MS = 30000, FRAMES_A_SECOND = 6, MOST_FRAMES = 240, TILE = 112;
  const PICTURE = /\.(jpe?g|png|webp|gif|bmp|avif|heic|heif)$/i, FILE = /\.(zip|csv|jsonl|tar|t?gz|bz2|tbz2?|t?xz|parquet)$/i;
  const isPicture = (file) => file.type.startsWith("image/") || PICTURE.test(file.name);
  const isFile = (file) => FILE.test(file.name);

  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined && text !== null) node.textContent = text;
    return node;
  };
  const press = (className, text, act, label) => {
    const node = make("button", className, text);
    node.type = "button";
    if (label) node.setAttribute("aria-label", label);
    node.addEventListener("click", act);
    return node;
  };
  const size = (bytes) => bytes >= 1000 * MB ? `${(bytes / (1024 * MB)).toFixed(1)} GB` : bytes >= MB ? `${Math.round(bytes / MB).toLocaleString("en")} MB` : `${Math.max(1, Math.round(bytes / 1024))} kB`;
  const pictures = (count) => `${count.toLocaleString("en")} picture${count === 1 ? "" : "s"}`;
  const short = () => Math.random().toString(36).slice(2, 10);
  const typing = (node) => node?.closest?.("input:not([type=file]):not([type=checkbox]), textarea, [contenteditable=true]");
  const hidden = () => !document.body.classList.contains("sn-drawer-open");

  let board = null; // the one on the page

  function classCards(element, props, watch, act, say) {
    const box = element.querySelector(".sn-classes");
    const grid = make("div", "sn-class-grid"), bar = make("div", "sn-class-bar"), told = make("p", "sn-class-said");
    const progress = make("div", "sn-sending"); progress.hidden = true;
    told.setAttribute("role", "status"); progress.setAttribute("role", "group"); progress.setAttribute("aria-label", "Sending pictures");
    box.append(grid, progress, told, bar);
    const state = { value: { cards: [{ id: 1, name: "yes" }, { id: 2, name: "no" }], limits: {} }, nodes: new Map(), focus: 1, chosen: new Set(), seq: 0, tiles: 24, queue: [], waiting: null, sent: 0, words: {} };
    const local = new Map(); // path on the server -> {file} that was sent from here, then {url} of a small picture of it

    // One action at a time.
    function ask(what) {
      return new Promise((done) => { state.queue.push({ what, done }); pump(); });
    }
    function pump() {
      if (state.waiting || !state.queue.length) return;
      const next = state.queue.shift(), seq = ++state.seq;
      state.waiting = { seq, done: next.done, timer: setTimeout(() => answered(seq, null), WAIT_MS) };
      act({ ...next.what, seq, tiles: state.tiles });
    }
    function answered(seq, value) {
      if (!state.waiting || state.waiting.seq !== seq) return;
      clearTimeout(state.waiting.timer);
      const { done } = state.waiting;
      state.waiting = null;
      done(value);
      pump();
    }

    // Drawing: nodes of cards stay, so that nobody loses what is being typed.
    function draw() {
      const value = props.value;
      if (value) { state.value = value; if (value.ack === undefined || value.ack >= state.seq) tell(value.said || "", value.wrong); }
      const cards = state.value.cards, kept = new Set(cards.map((card) => card.id));
      for (const [id, node] of state.nodes) if (!kept.has(id)) { node.stop(); node.root.remove(); state.nodes.delete(id); }
      cards.forEach((card, index) => {
        if (!state.nodes.has(card.id)) state.nodes.set(card.id, cardNode(card.id));
        const node = state.nodes.get(card.id);
        if (grid.children[index] !== node.root) grid.insertBefore(node.root, grid.children[index] || null);
        node.fill(card, index);
      });
      const there = new Set(cards.flatMap((card) => [...(card.tiles || []), ...(card.again || [])].map((tile) => tile.at)));
      for (const path of state.chosen) if (!there.has(path)) state.chosen.delete(path);
      drawBar();
      if (value) answered(value.ack, value);
    }
    function tell(text, wrong) { told.textContent = text; told.classList.toggle("sn-wrong", Boolean(wrong)); }

    function drawBar() {
      const cards = state.value.cards;
      bar.replaceChildren();
      const add = press("sn-small", "Add a class", () => ask({ do: "append" })); add.id = "btn-add-class"; add.disabled = cards.length >= (state.value.most || 6);
      const undo = press("sn-small", "Undo", () => ask({ do: "undo" })); undo.id = "btn-undo-card"; undo.disabled = !state.value.undo; undo.title = "Ctrl+Z";
      const redo = press("sn-small", "Redo", () => ask({ do: "redo" })); redo.id = "btn-redo-card"; redo.disabled = !state.value.redo; redo.title = "Ctrl+Shift+Z";
      const folder = chooser("sn-small", "Open a folder of classes", { folder: true }, (files) => takeFolder(files)); folder.button.id = "btn-class-folder";
      bar.append(add, folder.button, folder.input, undo, redo);
      if (state.chosen.size) {
        const group = make("span", "sn-chosen-bar");
        const to = make("select"); to.setAttribute("aria-label", "Move the chosen pictures to the class"); to.id = "move-chosen";
        to.append(new Option(`Move ${pictures(state.chosen.size)} to`, ""), ...cards.map((card) => new Option(card.name, card.id)));
        to.addEventListener("change", () => { if (to.value) move([...state.chosen], Number(to.value)); });
        const out = press("sn-small", `Remove ${pictures(state.chosen.size)}`, () => removeChosen()); out.id = "btn-remove-chosen";
        group.append(to, out, press("sn-small", "Choose none", () => { state.chosen.clear(); draw(); }));
        bar.append(group);
      }
    }
    function move(paths, to) { state.chosen.clear(); return ask({ do: "move", paths: paths.slice(0, 500), to }); }
    async function removeChosen() {
      const paths = [...state.chosen]; state.chosen.clear();
      for (const card of [...state.value.cards]) {
        const mine = new Set([...(card.tiles || []), ...(card.again || [])].map((tile) => tile.at)), here = paths.filter((path) => mine.has(path));
        if (here.length) await ask({ do: "remove", card: card.id, paths: here.slice(0, 500) });
      }
    }

    function chooser(className, text, how, took) {
      const input = make("input"); input.type = "file"; input.multiple = true; input.hidden = true; input.tabIndex = -1;
      input.setAttribute("aria-label", text);
      if (how.folder) input.webkitdirectory = true; else input.accept = "image/*,.heic,.heif,.zip,.csv,.jsonl,.tar,.gz,.tgz,.bz2,.tbz,.tbz2,.xz,.txz,.parquet";
      input.addEventListener("change", () => { const files = [...input.files]; input.value = ""; if (files.length) took(files); });
      return { input, button: press(className, text, () => input.click()) };
    }

    function cardNode(id) {
      const root = make("section", "sn-class"); root.tabIndex = 0;
      const head = make("div", "sn-class-head"), count = make("span", "sn-note sn-class-count");
      const nameField = make("label", "sn-field"), name = make("input"); name.type = "text"; name.maxLength = 80;
      nameField.append(make("span", "", "Class"), name);
      const sayField = make("label", "sn-field"), word = make("input"); word.type = "text"; word.maxLength = 80; word.placeholder = "yes, no or a word";
      sayField.append(make("span", "", "The model says"), word); sayField.hidden = true;
      const drop = press("sn-x", "×", () => ask({ do: "drop", card: id }));
      head.append(nameField, sayField, count, drop);
      const body = make("div", "sn-class-body"), tiles = make("div", "sn-grid sn-class-tiles"), notes = make("div", "sn-class-notes");
      const ways = make("div", "sn-class-ways"), live = make("div", "sn-live"); live.hidden = true;
      const files = chooser("sn-small", "Choose files", {}, (list) => take(list, id));
      const folder = chooser("sn-small", "Folder", { folder: true }, (list) => takeInto(list.map((file) => ({ file })), id));
      const cam = press("sn-small", "Webcam", () => camera.toggle());
      ways.append(make("span", "sn-hint", "Drop or paste pictures, or"), files.button, files.input, folder.button, folder.input, cam);
      body.append(tiles, ways, live);
      const second = make("div", "sn-class-again"); second.hidden = true;
      const againTiles = make("div", "sn-grid sn-class-tiles"), againLive = make("div", "sn-live"); againLive.hidden = true;
      const againFiles = chooser("sn-small", "Choose files", {}, (list) => takeInto(list.filter(isPicture).map((file) => ({ file })), id, { again: true }));
      const againCam = press("sn-small", "Webcam", () => againCamera.toggle());
      second.append(make("strong", "", "Recorded again, for the test"), againTiles, againFiles.button, againFiles.input, againCam, againLive);
      root.append(head, notes, body, second);

      let pending = null;
      const rename = () => { clearTimeout(pending); pending = null; const now = name.value.trim(); if (now && now !== (state.value.cards.find((card) => card.id === id) || {}).name) ask({ do: "rename", card: id, name: now }); };
      name.addEventListener("input", () => { clearTimeout(pending); pending = setTimeout(rename, 700); });
      name.addEventListener("blur", rename);
      name.addEventListener("keydown", (event) => { if (event.key === "Enter") name.blur(); });
      const answer = () => { const card = state.value.cards.find((one) => one.id === id); if (card && word.value !== (state.words[card.name] ?? "")) say({ name: card.name, text: word.value }); };
      word.addEventListener("change", answer);
      root.addEventListener("focusin", () => { state.focus = id; grid.querySelectorAll(".sn-class").forEach((node) => node.classList.toggle("sn-in-focus", node === root)); });
      root.addEventListener("pointerdown", () => { state.focus = id; });
      root.addEventListener("dragover", (event) => { event.preventDefault(); event.stopPropagation(); root.classList.add("sn-over"); });
      root.addEventListener("dragleave", (event) => { if (!root.contains(event.relatedTarget)) root.classList.remove("sn-over"); });
      root.addEventListener("drop", (event) => {
        event.preventDefault(); event.stopPropagation(); root.classList.remove("sn-over");
        const dragged = event.dataTransfer.getData("application/x-sn-shots");
        if (dragged) { move(JSON.parse(dragged), id); return; }
        dropped(event.dataTransfer, id);
      });

      const camera = webcam(live, cam, (frames) => takeInto(frames, id)), againCamera = webcam(againLive, againCam, (frames) => takeInto(frames, id, { again: true }));

      function fill(card, index) {
        root.id = `class-card-${index + 1}`; root.setAttribute("aria-label", `Class ${card.name}`);
        nameField.id = `class-name-${index + 1}`; body.id = `class-images-${index + 1}`; second.id = `class-test-images-${index + 1}`;
        sayField.id = `class-say-${index + 1}`;
        if (document.activeElement !== name) name.value = card.name;
        if (document.activeElement !== word) word.value = state.words[card.name] ?? "";
        sayField.hidden = !(card.name in state.words);
        sayField.title = state.reason || "";
        count.textContent = pictures(card.count || 0) + (card.recordings ? `, ${card.recordings} recording${card.recordings === 1 ? "" : "s"}` : "");
        drop.setAttribute("aria-label", `Remove the class ${card.name} and its pictures`); drop.title = "Remove this class and its pictures";
        drop.hidden = state.value.cards.length <= 2;
        notes.replaceChildren(...(card.notes || []).map((text) => make("p", "sn-class-note", text)));
        fillTiles(tiles, card.tiles || [], card.more || 0, card);
        second.hidden = !card.again;
        fillTiles(againTiles, card.again || [], 0, card);
      }
      return { root, fill, stop: () => { camera.stop(); againCamera.stop(); } };
    }

    function fillTiles(into, tiles, more, card) {
      const old = new Map([...into.querySelectorAll(".sn-tile")].map((node) => [node.dataset.at, node]));
      into.replaceChildren(...tiles.map((tile) => {
        const node = old.get(tile.at) || tileNode(tile);
        node.card = card.id;
        node.setAttribute("aria-pressed", String(state.chosen.has(tile.at)));
        return node;
      }));
      if (more) {
        const button = press("sn-more", `+${more.toLocaleString("en")}`, () => { state.tiles = Math.min(4096, state.tiles * 4); ask({ do: "look" }); }, `Show more of the ${more} other pictures of ${card.name}`);
        into.append(button);
      }
    }
    function tileNode(tile) {
      const node = press("sn-tile", "", () => { if (state.chosen.has(tile.at)) state.chosen.delete(tile.at); else state.chosen.add(tile.at); node.setAttribute("aria-pressed", String(state.chosen.has(tile.at))); drawBar(); }, tile.name || "picture");
      node.dataset.at = tile.at; node.draggable = true; node.title = `${tile.name}${tile.recorded ? ", recorded" : ""}`;
      const image = make("img"); image.alt = ""; image.loading = "lazy"; image.draggable = false;
      small(tile.at).then((src) => { image.src = src; });
      node.append(image);
      node.addEventListener("dragstart", (event) => {
        const paths = state.chosen.has(tile.at) ? [...state.chosen] : [tile.at];
        event.dataTransfer.setData("application/x-sn-shots", JSON.stringify(paths)); event.dataTransfer.effectAllowed = "move";
      });
      node.addEventListener("keydown", (event) => {
        if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); state.chosen.add(tile.at); removeChosen(); }
      });
      return node;
    }

    // The webcam: while the button is held, pictures at a fixed rate; what was taken while it was held is one recording.
    function webcam(into, opener, took) {
      let stream = null;
      function stop() { stream?.getTracks().forEach((track) => track.stop()); stream = null; into.hidden = true; into.replaceChildren(); opener.textContent = "Webcam"; }
      async function start() {
        try { stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } }); } catch (refused) {
          tell("The webcam was not opened. The browser asks for it, and needs an address with https or this very machine. Allow it, or choose files.", true); return;
        }
        const video = make("video"); video.autoplay = true; video.muted = true; video.playsInline = true; video.srcObject = stream;
        const said = make("span", "sn-note", "Pictures taken while you hold the button are one recording.");
        const hold = make("button", "sn-hold", "Hold to record"); hold.type = "button";
        let timer = null, frames = [];
        const take = () => {
          if (!video.videoWidth || frames.length >= MOST_FRAMES) return;
          const canvas = make("canvas"); canvas.width = video.videoWidth; canvas.height = video.videoHeight;
          canvas.getContext("2d").drawImage(video, 0, 0);
          frames.push(new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92)));
          said.textContent = pictures(frames.length);
        };
        const begin = (event) => { event.preventDefault(); if (timer) return; frames = []; hold.classList.add("sn-recording"); take(); timer = setInterval(take, 1000 / FRAMES_A_SECOND); };
        const end = async () => {
          if (!timer) return;
          clearInterval(timer); timer = null; hold.classList.remove("sn-recording");
          const group = short(), blobs = (await Promise.all(frames)).filter(Boolean);
          if (blobs.length) took(blobs.map((blob, i) => ({ file: new File([blob], `webcam_upload.${group}-${i + 1}.jpeg`, { type: "image/jpeg" }), group })));
        };
        hold.addEventListener("pointerdown", (event) => { hold.setPointerCapture?.(event.pointerId); begin(event); });
        for (const name of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) hold.addEventListener(name, end);
        hold.addEventListener("keydown", (event) => { if ((event.key === " " || event.key === "Enter") && !event.repeat) begin(event); });
        hold.addEventListener("keyup", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); end(); } });
        hold.addEventListener("contextmenu", (event) => event.preventDefault());
        into.replaceChildren(video, hold, said); into.hidden = false; opener.textContent = "Close the webcam";
      }
      return { stop, toggle: () => (stream ? stop() : start()) };
    }

    // What comes in: pictures go to a card, archives and tables to the other way in, folders of folders fill the cards.
    function take(list, card) {
      const others = list.filter(isFile);
      if (others.length) toFiles(others);
      const found = list.filter((file) => !isFile(file));
      if (found.length) takeInto(found.map((file) => ({ file })), card);
    }
    function toFiles(list) {
      const input = document.querySelector("#upload-file input[type=file]");
      const tab = [...document.querySelectorAll("#sources [role=tab]")].find((node) => node.textContent.trim() === "Files");
      tab?.click();
      const give = (tries) => {
        const field = document.querySelector("#upload-file input[type=file]") || input;
        if (!field) { if (tries) setTimeout(() => give(tries - 1), 100); return; }
        const moved = new DataTransfer(); list.forEach((file) => moved.items.add(file));
        field.files = moved.files; field.dispatchEvent(new Event("change", { bubbles: true }));
      };
      give(30);
    }
    function takeFolder(files) { fillFrom(files.map((file) => ({ file, path: file.webkitRelativePath || file.name }))); }
    function fillFrom(entries) {
      const parts = entries.filter((one) => isPicture(one.file)).map((one) => ({ ...one, at: one.path.split("/") }));
      if (!parts.length) { tell("There is no picture in this folder.", true); return; }
      let level = 0;
      while (parts.every((one) => one.at.length > level + 2 && one.at[level] === parts[0].at[level])) level += 1;
      const named = parts.map((one) => ({ file: one.file, to: one.at.length > level + 1 ? one.at[level] : "" }));
      const folders = [...new Set(named.map((one) => one.to))];
      if (folders.includes("") && folders.length > 1) { tell("Some pictures lie beside the folders: put each into the folder of its class.", true); return; }
      if (folders[0] === "") { takeInto(named.map(({ file }) => ({ file })), state.focus); return; }
      const most = state.value.most || 6;
      if (folders.length > most) { tell(`This folder holds ${folders.length} classes, and there are cards for ${most}. Put them into a zip, one folder per class.`, true); return; }
      takeInto(named, null);
    }
    async function dropped(transfer, card) {
      const entries = [...(transfer.items || [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      if (!entries.some((entry) => entry.isDirectory)) { take([...transfer.files], card); return; }
      const found = (await Promise.all(entries.map((entry) => walk(entry, "")))).flat();
      const folders = new Set(found.filter((one) => isPicture(one.file)).map((one) => one.path.split("/").slice(0, -1).join("/")));
      if (card !== null && folders.size <= 1) takeInto(found.filter((one) => isPicture(one.file)).map(({ file }) => ({ file })), card); else fillFrom(found);
    }
    async function walk(entry, path) {
      if (entry.isFile) return [{ file: await new Promise((done, fail) => entry.file(done, fail)), path: path + entry.name }];
      const reader = entry.createReader(), found = [];
      for (;;) {
        const some = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!some.length) break;
        found.push(...some);
      }
      return (await Promise.all(found.filter((one) => !one.name.startsWith(".")).map((one) => walk(one, `${path}${entry.name}/`)))).flat();
    }

    // Sending. The limits are said before the first byte; reducing is offered, never done unasked.
    const sending = { jobs: [], running: false, request: null, stopped: false };
    async function takeInto(items, card, more = {}) {
      if (!(state.value.limits || {}).file) await ask({ do: "look" }); // nothing is sent before the limits are known
      const limits = state.value.limits || {}, others = items.filter((one) => !isPicture(one.file)).length;
      let jobs = items.filter((one) => isPicture(one.file)).map((one) => ({ ...one, card, again: Boolean(more.again), tries: 0 }));
      if (!jobs.length) { tell("No picture was found among these files.", true); return; }
      const large = jobs.filter((job) => job.file.size > (limits.file || Infinity));
      const asked = large.length ? `${pictures(large.length)} ${large.length === 1 ? "is" : "are"} larger than ${size(limits.file)}, the most this server takes of one file. ` : "";
      const aside = others ? `${others.toLocaleString("en")} other file${others === 1 ? "" : "s"} left aside. ` : "";
      const bytes = jobs.reduce((sum, job) => sum + job.file.size, 0);
      const waiting = sending.jobs.reduce((sum, job) => sum + job.file.size, 0);
      const left = Math.max(0, Math.min((limits.visitor ?? Infinity) - state.sent - waiting, limits.room ?? Infinity));
      const step = short();
      jobs.forEach((job) => { job.step = step; });
      if (!large.length && bytes <= left && bytes <= (limits.offer || Infinity)) { if (aside) tell(aside); begin(jobs); return; }
      const fits = []; let sum = 0;
      for (const job of jobs) { if (job.file.size <= (limits.file || Infinity) && sum + job.file.size <= left) { fits.push(job); sum += job.file.size; } }
      const whole = fits.length === jobs.length;
      const most = `${pictures(jobs.length)}, ${size(bytes)}; this server takes ${size(limits.visitor)} a visitor in an hour` + (left < limits.visitor ? `, of which ${size(left)} are left. ` : ". ");
      const why = `It keeps ${limits.side} pixels of the longer side, and models look at 160 to 336: reduced here first, nothing is lost that they would see, and about ${size(jobs.length * 0.3 * MB)} are sent. `;
      const ask = make("div", "sn-ask-first"), text = make("p", "", aside + most + asked + (whole ? "" : `As they are, ${fits.length ? `the first ${fits.length.toLocaleString("en")} fit` : "none of them fits"}. `) + why);
      const close = () => { ask.remove(); };
      const small = press("sn-small sn-main", "Reduce here, then send", () => { close(); jobs.forEach((job) => { job.reduce = limits.side; }); begin(jobs); }); small.id = "btn-send-reduced";
      ask.append(text, small);
      if (fits.length) { const plain = press("sn-small", whole ? "Send as they are" : `Send the first ${fits.length.toLocaleString("en")} as they are`, () => { close(); begin(fits); }); plain.id = "btn-send-whole"; ask.append(plain); }
      ask.append(press("sn-small", "Send none", close));
      progress.before(ask);
      small.focus();
    }
    async function reduced(file, side) {
      let bitmap;
      try { bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }); } catch (unreadable) { return file; } // sent as it is: the server says what it makes of it
      const scale = side / Math.max(bitmap.width, bitmap.height);
      if (scale >= 1) { bitmap.close(); return file; }
      const canvas = make("canvas"); canvas.width = Math.max(1, Math.round(bitmap.width * scale)); canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const pen = canvas.getContext("2d"); pen.imageSmoothingQuality = "high"; pen.fillStyle = "#fff"; pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height); bitmap.close();
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
      return blob && blob.size < file.size ? new File([blob], `${file.name.replace(/\.[^.]*$/, "")}.jpg`, { type: "image/jpeg" }) : file;
    }
    function begin(jobs) {
      sending.jobs.push(...jobs);
      sending.count = (sending.running ? sending.count : 0) + jobs.length;
      if (!sending.running) { sending.came = 0; run(); }
    }
    const key = (job) => `${job.card}|${job.to || ""}|${job.again}|${job.step}`;
    async function nextBatch() {
      const limits = state.value.limits || {}, batch = [], first = sending.jobs[0];
      let bytes = 0;
      while (sending.jobs.length && batch.length < (limits.files || 60) && key(sending.jobs[0]) === key(first)) {
        const job = sending.jobs[0];
        if (job.reduce && !job.ready) { job.ready = await reduced(job.file, job.reduce); bar2(0); }
        const file = job.ready || job.file;
        if (batch.length && bytes + file.size > (limits.batch || 24 * MB)) break;
        bytes += file.size; batch.push(sending.jobs.shift());
        if (sending.stopped) break;
      }
      return { batch, bytes };
    }
    function bar2(inBatch) {
      const done = sending.came + inBatch, fraction = Math.min(1, done / Math.max(1, sending.count));
      sending.fill.style.width = `${(100 * fraction).toFixed(1)}%`;
      sending.line.textContent = `Sending ${pictures(sending.count)}: ${Math.floor(done).toLocaleString("en")} there`;
    }
    async function run() {
      sending.running = true; sending.stopped = false;
      const line = make("strong", ""), track = make("div", "sn-bar"), fill = make("i"), cancel = press("sn-small", "Stop; keep what came", () => { sending.stopped = true; sending.request?.abort(); }); cancel.id = "btn-stop-sending";
      track.append(fill); track.setAttribute("role", "progressbar"); track.setAttribute("aria-label", "Pictures sent");
      Object.assign(sending, { line, fill });
      progress.replaceChildren(line, track, cancel); progress.hidden = false;
      let failed = "";
      while (sending.jobs.length && !sending.stopped) {
        bar2(0);
        const { batch, bytes } = await nextBatch();
        if (!batch.length) break;
        if (sending.stopped) { sending.jobs.unshift(...batch); break; }
        try {
          const paths = await send(batch.map((job) => job.ready || job.file), (share) => bar2(share * batch.length));
          state.sent += bytes;
          await keep(batch, paths);
          sending.came += batch.length;
        } catch (error) {
          sending.jobs.unshift(...batch);
          if (sending.stopped) break;
          batch.forEach((job) => { job.tries += 1; });
          if (error.final || batch[0].tries > 3) { failed = error.message; break; }
          line.textContent = `${error.message} Trying again.`;
          await new Promise((done) => setTimeout(done, 800 * batch[0].tries ** 2));
        }
      }
      sending.running = false; sending.request = null;
      const missing = sending.jobs.length;
      if (!missing) { progress.hidden = true; tell(`${pictures(sending.came)} added.`); return; }
      await ask({ do: "look", finish: true });
      line.textContent = `${failed ? `${failed} ` : "Stopped. "}${pictures(sending.came)} came and stay${sending.came === 1 ? "s" : ""}; ${pictures(missing)} ${missing === 1 ? "is" : "are"} missing.`;
      const go = press("sn-small sn-main", `Send the missing ${missing.toLocaleString("en")}`, () => { sending.jobs.forEach((job) => { job.tries = 0; }); sending.count = missing; sending.came = 0; run(); }); go.id = "btn-resume-sending";
      const leave = press("sn-small", "Leave them out", () => { sending.jobs = []; progress.hidden = true; }); leave.id = "btn-leave-missing";
      progress.replaceChildren(line, track, go, leave);
    }
    function send(files, moved) {
      return new Promise((done, fail) => {
        const form = new FormData(), request = new XMLHttpRequest();
        files.forEach((file) => form.append("files", file, file.name));
        sending.request = request;
        request.open("POST", new URL("gradio_api/upload", base()).href);
        request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) moved(event.loaded / event.total); });
        const wrong = (text, final) => { const error = new Error(text); error.final = final; fail(error); };
        request.addEventListener("load", () => {
          if (request.status === 200) { try { const paths = JSON.parse(request.responseText); if (Array.isArray(paths) && paths.length === files.length) { done(paths); return; } } catch (unread) { /* told below */ } wrong("The server's answer was not understood.", true); return; }
          wrong(request.status === 413 ? request.responseText.slice(0, 400) : `The server did not take a batch (${request.status}).`, request.status === 413);
        });
        request.addEventListener("error", () => wrong("The connection broke off.", false));
        request.addEventListener("abort", () => wrong("Stopped.", true));
        request.send(form);
      });
    }
    async function keep(batch, paths) {
      batch.forEach((job, i) => local.set(paths[i], { file: job.file }));
      const shots = batch.map((job, i) => ({ at: paths[i], name: job.file.name, ...(job.group ? { group: job.group } : {}) }));
      const first = batch[0], answer = await ask({ do: "add", card: first.card, ...(first.to ? { to: first.to } : {}), again: first.again, step: first.step, shots, more: sending.jobs.length > 0 });
      batch.forEach((job) => { job.ready = null; });
      if (!answer) { const error = new Error("The server did not answer."); error.final = false; throw error; }
      if (answer.wrong) { const error = new Error(answer.said); error.final = true; throw error; }
    }
    // A small picture of what was sent from here, made when it is first shown; of others the server's file.
    async function small(at) {
      const known = local.get(at);
      if (known?.file) { known.url = await thumbnail(known.file); known.file = null; }
      return known?.url || new URL(`gradio_api/file=${at}`, base()).href;
    }
    async function thumbnail(file) {
      try {
        const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }), scale = Math.min(1, TILE / Math.min(bitmap.width, bitmap.height));
        const canvas = make("canvas"); canvas.width = Math.max(1, Math.round(bitmap.width * scale)); canvas.height = Math.max(1, Math.round(bitmap.height * scale));
        canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height); bitmap.close();
        const blob = await new Promise((done) => canvas.toBlob(done, "image/webp", 0.8));
        return blob && URL.createObjectURL(blob);
      } catch (unreadable) { return null; }
    }
    const base = () => document.baseURI.split(/[?#]/)[0];

    board = {
      box,
      isShown: () => !hidden() && box.offsetParent !== null,
      paste: (files) => takeInto(files.map((file) => ({ file })), state.value.cards.some((card) => card.id === state.focus) ? state.focus : state.value.cards[0].id),
      dropped: (transfer) => dropped(transfer, null), take: (list) => take(list, state.focus),
      undo: (again) => { const now = again ? state.value.redo : state.value.undo; if (now) ask({ do: again ? "redo" : "undo" }); },
      words: (told2) => { state.words = told2.words || {}; state.reason = told2.reason || ""; draw(); },
      toFiles,
    };
    watch("value", draw);
    draw();
    ask({ do: "look" });
  }

  // What the model says for each class, beside its name: value is {words: {class: word}, reason}.
  function classWords(element, props, watch) {
    const give = () => board?.words(props.value || {});
    watch("value", give);
    setTimeout(give, 0);
  }

  document.addEventListener("paste", (event) => {
    if (!board?.isShown() || typing(event.target)) return;
    const files = [...(event.clipboardData?.files || [])].filter(isPicture);
    if (files.length) { event.preventDefault(); board.paste(files); }
  });
  document.addEventListener("keydown", (event) => {
    if (hidden() || typing(event.target) || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (board?.isShown()) board.undo(event.shiftKey);
    else document.getElementById(event.shiftKey ? "btn-redo-edit" : "btn-undo-edit")?.click();
  });
  // Anywhere in the drawer: an archive or a table is one of the files, a folder fills the cards, pictures go to the card in focus.
  document.addEventListener("dragover", (event) => { if (event.target.closest?.("#tab-examples")) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    if (!event.target.closest?.("#tab-examples") || event.target.closest?.("#upload-file") || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    const tab = [...document.querySelectorAll("#sources [role=tab]")].find((node) => node.textContent.trim() === "My images");
    const files = [...event.dataTransfer.files];
    if (files.length && files.every(isFile)) { board?.toFiles(files); return; }
    if (!board?.isShown()) tab?.click();
    board?.dropped(event.dataTransfer);
  });

  Object.assign(window.snViz, { classCards, classWords });
})();
